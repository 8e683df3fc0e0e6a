package shard

import (
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/session"
)

// scanSlots is how many slots of the slab one call of Sessions looks at: a query over half a million sessions must
// not hold the loop.
const scanSlots = 20_000

// Sessions appends this shard's sessions that q selects to page, from slot on, until the page is full or enough slots
// were looked at. It returns the slot to go on from, 0 at the end.
func (s *Shard) Sessions(q *SessionQuery, slot uint32, page []SessionInfo) ([]SessionInfo, uint32) {
	p := s.projects[q.Project]
	if p == nil {
		return page, 0
	}
	if q.User != "" {
		return s.userSessions(p, q, slot, page)
	}
	for end := slot + scanSlots; slot <= s.conns.used; slot++ {
		if slot == 0 {
			continue
		}
		if len(page) == q.Limit || slot == end {
			return page, slot
		}
		if c := s.conns.at(slot); c.state == stateOpen && c.project == p && s.selected(c, q) {
			page = append(page, s.info(c))
		}
	}
	return page, 0
}

// userSessions goes along the user's chain; slot names the session to begin with.
func (s *Shard) userSessions(p *project, q *SessionQuery, slot uint32, page []SessionInfo) ([]SessionInfo, uint32) {
	at := s.sessionsOf(p, q.User)
	for skip := slot != 0; at != 0; at = s.conns.at(at).userNext {
		if skip && at != slot {
			continue
		}
		skip = false
		if len(page) == q.Limit {
			return page, at
		}
		if c := s.conns.at(at); s.selected(c, q) {
			page = append(page, s.info(c))
		}
	}
	return page, 0
}

func (s *Shard) selected(c *Conn, q *SessionQuery) bool {
	if q.ID != "" && q.ID != s.sessionID(c) {
		return false
	}
	if q.Destination == "" {
		return true
	}
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		if s.subs.at(i).log.shown() == q.Destination {
			return true
		}
	}
	return false
}

// shown is the destination as clients write it.
func (l *log) shown() string {
	if l.kind == userQueue {
		return userPrefix + l.name
	}
	return l.name
}

func (s *Shard) info(c *Conn) SessionInfo {
	info := SessionInfo{
		ID:       s.sessionID(c),
		User:     c.user,
		Address:  c.shownAddress(),
		Since:    time.Unix(int64(c.since), 0).UTC(),
		Version:  c.sess.Version.String(),
		Buffered: c.socket.OutboundBuffered(),
	}
	if t := s.moves[c.idx]; t != nil {
		info.Buffered += t.left() + len(t.answers)
	}
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		b := s.subs.at(i)
		sub := SubscriptionInfo{Destination: b.log.shown(), Ack: b.ack.String()}
		if id := b.id.key.id; id != "" && id[0] != 0 {
			sub.ID = id
		}
		if b.loose {
			sub.Behind = b.waiting()
		} else if b.log.kind != userQueue {
			sub.Behind = int(b.log.tail() - b.log.head)
		}
		if b.follow != nil {
			sub.Dropped = b.follow.lost
		}
		info.Subscriptions = append(info.Subscriptions, sub)
	}
	return info
}

// Session is the session that r names, if it stands and is the project's.
func (s *Shard) Session(project string, r Ref) (SessionInfo, bool) {
	if c := s.find(r); c != nil && c.project != nil && c.project.settings.Name == project {
		return s.info(c), true
	}
	return SessionInfo{}, false
}

// Destinations are the subscribed destinations and patterns of a project.
func (s *Shard) Destinations(project string) []DestinationInfo {
	p := s.projects[project]
	if p == nil {
		return nil
	}
	var all []DestinationInfo
	for l := range p.all() {
		all = append(all, DestinationInfo{
			Destination:   l.shown(),
			Pattern:       l.kind == patterned,
			Subscriptions: l.subscriptions(),
			Detached:      l.detached,
		})
	}
	return all
}

// kicked is what a client sees that an operator closed. It is told by a close frame only; 1008 says that it is not
// the server's trouble.
const kicked = "closed by an operator"

// Kick closes the session that r names, if it is the project's.
func (s *Shard) Kick(project string, r Ref) bool {
	c := s.find(r)
	if c == nil || c.project == nil || c.project.settings.Name != project {
		return false
	}
	s.end(c, session.ClosePolicy, kicked)
	return true
}

// UserSessions names all sessions of a user.
func (s *Shard) UserSessions(project, user string) (all []Ref) {
	p := s.projects[project]
	if p == nil || user == "" {
		return nil
	}
	for at := s.sessionsOf(p, user); at != 0; {
		c := s.conns.at(at)
		at = c.userNext
		all = append(all, c.ref())
	}
	return all
}

// Busy reports whether pushes that were accepted are still on their way to sessions that can take them.
func (s *Shard) Busy() bool {
	if s.ready.Len() > 0 {
		return true
	}
	for _, p := range s.followed {
		for _, i := range p.detached {
			b := s.subs.at(i)
			if b.waiting() > 0 && s.blocked(s.conns.at(b.conn)) == 0 && s.room(b) > 0 {
				return true
			}
		}
	}
	return false
}

// EndSome closes up to n connections with code, the next after slot, and returns the slot to go on from, 0 at the
// end. What they had been given before is flushed.
func (s *Shard) EndSome(slot uint32, n int, code ws.StatusCode, reason string) uint32 {
	for slot++; slot <= s.conns.used; slot++ {
		c := s.conns.at(slot)
		if c.state != stateOpen || c.sess.Phase == session.Closing {
			continue
		}
		if n--; n < 0 {
			return slot - 1
		}
		if c.sess.Phase == session.Handshake {
			s.env.Close(c.socket)
			continue
		}
		s.end(c, code, reason)
	}
	return 0
}

// ProjectCounts are what a project has and did on a shard.
type ProjectCounts struct {
	Sessions, Subscriptions int
	Deliveries              uint64
}

// Counts tells of a project on this shard.
func (s *Shard) Counts(project string) (n ProjectCounts) {
	if t := s.tenants[project]; t != nil {
		n.Deliveries = t.deliveries
	}
	if p := s.projects[project]; p != nil {
		n.Sessions = p.sessions
		for l := range p.all() {
			n.Subscriptions += l.subscriptions()
		}
	}
	return n
}
