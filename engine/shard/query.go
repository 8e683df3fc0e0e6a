package shard

import (
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/session"
)

// A query is carried out in steps, each a task of its own that Ask queues. The work of a step is counted in units of some
// 50 ns, the cost of visiting a slot of the slab. So the longest step takes some 200 us, whatever a project has.
const (
	stepUnits = 4096
	subUnits  = 4   // a subscription is visited
	infoUnits = 32  // a session is described, without its subscriptions
	itemUnits = 8   // a subscription or a destination is described
	endUnits  = 512 // a connection is closed
	// stepBytes bounds the names in a step's results, in bytes together.
	stepBytes = 64 << 10
	// maxListed is how many subscriptions of a session are described at most.
	maxListed = 256
)

// Place is where a query goes on; the zero Place is where it begins, and says at the end that there is no more.
type Place struct {
	Slot uint32
	// Gen and Since are those of the session at the place, in a listing of one user's sessions.
	Gen, Since uint32
}

// Sessions returns this shard's sessions that q selects from a place on, q.Limit at most and as many as one step finds.
func (s *Shard) Sessions(q *SessionQuery, from Place) (page []SessionInfo, next Place) {
	p := s.projects[q.Project]
	if p == nil {
		return nil, Place{}
	}
	var only *target
	if q.Destination != "" {
		if only = p.find(q.Destination); only == nil {
			return nil, Place{}
		}
	}
	room, bytes := stepUnits, 0
	full := func() bool { return len(page) == q.Limit || room <= 0 || bytes >= stepBytes }
	take := func(c *Conn) {
		if q.Network.IsValid() && !q.Network.Contains(c.addrPort().Addr()) {
			return
		}
		if only != nil && !s.subscribes(c, only, &room) {
			return
		}
		info := s.info(c)
		bytes += info.bytes()
		room -= infoUnits + itemUnits*len(info.Subscriptions)
		page = append(page, info)
	}
	if q.User != "" {
		return page, s.walkUser(p, q.User, from, &room, full, take)
	}
	for slot := max(from.Slot, 1); slot <= s.conns.used; slot++ {
		if full() {
			return page, Place{Slot: slot}
		}
		room--
		if c := s.conns.at(slot); c.state == stateOpen && c.project == p {
			take(c)
		}
	}
	return page, Place{}
}

// walkUser calls take for a user's sessions from a place on, newest first, until full says so. If the session at the place
// is gone, it starts at the first again and passes those that are newer than the lost one.
func (s *Shard) walkUser(p *project, user string, from Place, room *int, full func() bool, take func(*Conn)) (next Place) {
	until := ^uint32(0)
	at := s.sessionsOf(p, user)
	if from.Slot != 0 {
		until = from.Since
		if c := s.find(Ref{from.Slot, from.Gen}); c != nil && c.project == p && c.user == user {
			at = c.idx
		}
	}
	for at != 0 {
		c := s.conns.at(at)
		if full() {
			return Place{Slot: at, Gen: c.gen, Since: min(until, c.since)}
		}
		at = c.userNext // c may be gone afterwards
		*room--
		if c.since <= until {
			take(c)
		}
	}
	return Place{}
}

func (s *Shard) subscribes(c *Conn, t *target, room *int) bool {
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		*room -= subUnits
		if s.subs.at(i).target == t {
			return true
		}
	}
	return false
}

// bytes is the length of the names together.
func (i *SessionInfo) bytes() int {
	n := len(i.User)
	for _, sub := range i.Subscriptions {
		n += len(sub.ID) + len(sub.Destination)
	}
	return n
}

func (s *Shard) info(c *Conn) SessionInfo {
	info := SessionInfo{
		ID:        s.sessionID(c),
		User:      c.user,
		Address:   c.shownAddress(),
		Since:     time.Unix(int64(c.since), 0).UTC(),
		Version:   c.sess.Version.String(),
		Transport: c.transport(),
		Buffered:  c.socket.OutboundBuffered(),
	}
	if t := s.moves[c.idx]; t != nil {
		info.Buffered += t.left() + len(t.answers)
	}
	listed := min(int(c.nsubs), maxListed)
	info.More = int(c.nsubs) - listed
	info.Subscriptions = make([]SubscriptionInfo, 0, listed)
	for i := c.subs; i != 0 && len(info.Subscriptions) < listed; i = s.subs.at(i).next {
		b := s.subs.at(i)
		sub := SubscriptionInfo{Destination: b.target.shown(), Ack: b.ack.String()}
		if id := b.id.key.id; id != "" && id[0] != 0 {
			sub.ID = id
		}
		if b.state.detached() {
			sub.Behind = b.waiting()
		} else if l := b.target.log; l != nil {
			sub.Behind = int(l.tail() - l.head)
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

// Destinations are the subscribed destinations and patterns of a project that q selects, in the order of their names, as
// many as one step finds, and whether more may follow.
func (s *Shard) Destinations(q *DestinationQuery) (page []DestinationInfo, more bool) {
	p := s.projects[q.Project]
	if p == nil {
		return nil, false
	}
	room, bytes := stepUnits, 0
	for t := range p.names.from(max(q.Prefix, q.After)) {
		name := t.shown()
		if q.After != "" && name <= q.After {
			continue
		}
		if !q.selects(name) {
			return page, false
		}
		if len(page) == q.Limit || room <= 0 || bytes >= stepBytes {
			return page, true
		}
		room -= itemUnits
		bytes += len(name)
		page = append(page, DestinationInfo{
			Destination:   name,
			Pattern:       t.pattern() != nil,
			Subscriptions: int(t.subscriptions),
			Detached:      int(t.detached),
		})
	}
	return page, false
}

// kicked is the reason that a client gets when an operator closes it. It goes into the close frame only; 1008 says that the
// server has no trouble.
const kicked = "closed by an operator"

// MaxKickReason is how many bytes a close frame has room for beside that (RFC 6455 section 5.5).
const MaxKickReason = ws.MaxControlFramePayloadSize - 2 - len(kicked) - len(": ")

// Kick closes those sessions of all that are open and belong to the project, as many as one step can. It returns how many
// that were, and the rest of all. The close frame carries the reason, if there is one, of at most MaxKickReason bytes.
func (s *Shard) Kick(project, reason string, all []Ref) (n int, rest []Ref) {
	text := kicked
	if reason != "" {
		text += ": " + reason
	}
	for room := stepUnits; len(all) > 0 && room > 0; all = all[1:] {
		room--
		if c := s.find(all[0]); c != nil && c.project != nil && c.project.settings.Name == project {
			room -= endUnits
			s.expel(c, refusal.Kicked, text)
			n++
		}
	}
	return n, all
}

// UserSessions names sessions of a user from a place on, as many as one step finds.
func (s *Shard) UserSessions(project, user string, from Place) (page []Ref, next Place) {
	p := s.projects[project]
	if p == nil || user == "" {
		return nil, Place{}
	}
	room := stepUnits
	next = s.walkUser(p, user, from, &room, func() bool { return room <= 0 }, func(c *Conn) { page = append(page, c.ref()) })
	return page, next
}

// Busy reports whether pushes that were accepted are still on their way to sessions that can take them, as far as one step
// finds. It looks from a place on, 0 for the first, and says where to go on, 0 at the end.
func (s *Shard) Busy(from uint32) (busy bool, next uint32) {
	if s.ready.Len() > 0 {
		return true, 0
	}
	if s.stats.Detached.Load() == 0 {
		return false, 0
	}
	for room := 4 * stepUnits; from < s.subs.used; { // skipping one is quick: they are side by side in memory
		if room <= 0 {
			return false, from
		}
		room--
		from++
		b := s.subs.at(from)
		if !b.state.detached() {
			continue
		}
		room -= 4 * subUnits
		if b.waiting() > 0 && s.blocked(s.conns.at(b.conn)) == 0 && s.room(b) > 0 {
			return true, 0
		}
	}
	return false, 0
}

// EndSome closes up to n connections with code, the next after slot and as many as one step can. It returns how many that
// were, and the slot to go on from, 0 at the end. What they had been given before is flushed. While it is patient it skips
// those that have yet to be given something, or to complete their handshake.
func (s *Shard) EndSome(slot uint32, n int, patient bool, code ws.StatusCode, reason string) (ended int, next uint32) {
	return s.endSome(slot, n, code, reason, func(c *Conn) bool { return patient && s.awaits(c) })
}

// idleMillis is much less than the interval of heart-beats, which count as an exchange.
const idleMillis = 2000

// ShedSome is a patient EndSome for sessions alone, of those that began at until, in Unix seconds, or before. idle: only of
// those with whom nothing was exchanged for idleMillis.
func (s *Shard) ShedSome(slot uint32, n int, until uint32, idle bool, code ws.StatusCode, reason string) (ended int, next uint32) {
	now := s.millis()
	ended, next = s.endSome(slot, n, code, reason, func(c *Conn) bool {
		return c.sess.Phase != session.Connected || c.since > until || s.awaits(c) ||
			idle && (now-c.lastRead < idleMillis || now-c.lastWrite < idleMillis)
	})
	s.stats.Shed.Add(uint64(ended))
	return ended, next
}

// endSome passes over those that stay.
func (s *Shard) endSome(slot uint32, n int, code ws.StatusCode, reason string, stays func(*Conn) bool) (ended int, next uint32) {
	for room := stepUnits; slot < s.conns.used; slot++ {
		if room <= 0 || ended == n {
			return ended, slot
		}
		room--
		c := s.conns.at(slot + 1)
		if c.state != stateOpen || c.sess.Phase == session.Closing || stays(c) {
			continue
		}
		room -= endUnits
		ended++
		if !c.sess.Phase.Opened() {
			s.env.Close(c.socket, refusal.None)
			continue
		}
		s.end(c, code, reason)
	}
	return ended, 0
}

// awaits reports whether something that was accepted for c waits in this process, or its handshake has yet to come, or it is
// lent: who serves it is asked to end it.
func (s *Shard) awaits(c *Conn) bool {
	if c.moves || !c.sess.Phase.Opened() {
		return true
	}
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		if b := s.subs.at(i); b.state.detached() && b.waiting() > 0 {
			return true
		}
	}
	return false
}
