package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stentor/engine/shard"
)

// ask has a shard run f in its loop and waits for it.
func ask[T any](ctx context.Context, l *loop, f func(*shard.Shard) T) (T, error) {
	answer := make(chan T, 1)
	l.shard.Post(func() { answer <- f(l.shard) })
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

const (
	// stepTimeout is how long a step of a query may wait for its turn and its loop.
	stepTimeout = 5 * time.Second
	// stepRest is how many times a step's own time passes before the next one of the same project: queries of a
	// project have a quarter of a loop's time, and of a busy loop's a tenth with all others.
	stepRest = 3
)

// inquiry is the turn of a project's queries: its steps go one at a time.
type inquiry struct {
	turn   chan struct{} // holds a value while a step goes on
	rested time.Time     // when the next may begin
}

func newInquiry() inquiry { return inquiry{turn: make(chan struct{}, 1)} }

// step has a shard carry out one step of a query of p, in p's turn and behind the loop's deliveries. The turn ends in the
// loop: who gives up waiting leaves nothing behind that the next step would be added to.
func step[T any](ctx context.Context, p *project, l *loop, f func(*shard.Shard) T) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	select {
	case p.inquiry.turn <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if rest := time.Until(p.inquiry.rested); rest > 0 && !pause(ctx, rest) {
		<-p.inquiry.turn
		return none, ctx.Err()
	}
	answer := make(chan T, 1)
	l.shard.Ask(func() {
		begun := time.Now()
		defer func() {
			now := time.Now()
			p.inquiry.rested = now.Add(stepRest * now.Sub(begun))
			<-p.inquiry.turn
		}()
		if ctx.Err() == nil {
			answer <- f(l.shard)
		}
	})
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// sessionsFrom is where a listing of sessions goes on.
type sessionsFrom struct {
	loop  int
	place shard.Place
}

// String is the cursor of a page.
func (f sessionsFrom) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", f.loop, f.place.Slot, f.place.Gen, f.place.Since)
}

func (n *Node) parseCursor(text string) (f sessionsFrom, err error) {
	if text == "" {
		return f, nil
	}
	_, err = fmt.Sscanf(text, "%d.%d.%d.%d", &f.loop, &f.place.Slot, &f.place.Gen, &f.place.Since)
	if err != nil || f.loop < 0 || f.loop >= len(n.loops) || f.String() != text {
		return f, shard.ErrCursor
	}
	return f, nil
}

// Sessions lists sessions over all shards: emit gets what each step found, some dozens at most, and next is the cursor
// to go on from, "" at the end. Sessions that come and go meanwhile may be missed, or seen twice. An error of emit ends the
// listing behind what it got. With an error next says where the listing stands.
func (n *Node) Sessions(ctx context.Context, q shard.SessionQuery, emit func([]shard.SessionInfo) error) (next string, err error) {
	from, err := n.parseCursor(q.After)
	if err != nil {
		return "", err
	}
	p := n.project(q.Project)
	switch {
	case p == nil:
		return "", nil
	case q.ID != "":
		return "", n.session(ctx, p, q, emit)
	}
	type part struct {
		page []shard.SessionInfo
		next shard.Place
	}
	for from.loop < len(n.loops) {
		if q.Limit == 0 {
			return from.String(), nil
		}
		got, err := step(ctx, p, n.loops[from.loop], func(s *shard.Shard) part {
			page, next := s.Sessions(&q, from.place)
			return part{page, next}
		})
		if err != nil {
			return from.String(), err
		}
		if from.place = got.next; from.place == (shard.Place{}) {
			from.loop++
		}
		q.Limit -= len(got.page)
		if len(got.page) == 0 {
			continue
		}
		if err := emit(got.page); err != nil {
			if from.loop == len(n.loops) {
				return "", err
			}
			return from.String(), err
		}
	}
	return "", nil
}

// find is the loop that a session is on.
func (n *Node) find(session string) (*loop, shard.Ref) {
	index, ref, ok := shard.ParseSessionID(session, n.instance)
	if !ok || index >= len(n.loops) {
		return nil, shard.Ref{}
	}
	return n.loops[index], ref
}

func (n *Node) session(ctx context.Context, p *project, q shard.SessionQuery, emit func([]shard.SessionInfo) error) error {
	l, ref := n.find(q.ID)
	if l == nil {
		return nil
	}
	got, err := step(ctx, p, l, func(s *shard.Shard) []shard.SessionInfo {
		if info, ok := s.Session(q.Project, ref); ok {
			return []shard.SessionInfo{info}
		}
		return nil
	})
	if err != nil || len(got) == 0 {
		return err
	}
	return emit(got)
}

// Kick closes a session and reports whether there was one.
func (n *Node) Kick(ctx context.Context, project, session string) (bool, error) {
	p := n.project(project)
	l, ref := n.find(session)
	if l == nil || p == nil {
		return false, nil
	}
	found, err := n.kick(ctx, p, l, []shard.Ref{ref})
	return found > 0, err
}

// kick closes sessions of one loop, step by step.
func (n *Node) kick(ctx context.Context, p *project, l *loop, all []shard.Ref) (found int, err error) {
	type part struct {
		n    int
		rest []shard.Ref
	}
	for len(all) > 0 {
		got, err := step(ctx, p, l, func(s *shard.Shard) part {
			n, rest := s.Kick(p.name, all)
			return part{n, rest}
		})
		if err != nil {
			return found, err
		}
		found += got.n
		all = got.rest
	}
	return found, nil
}

// KickUser closes all sessions that a user has now and returns how many that were, with an error too. A client that comes
// back at once, on another loop, is not met again: the sessions of all loops are looked up before the first is closed.
func (n *Node) KickUser(ctx context.Context, project, user string) (int, error) {
	p := n.project(project)
	if p == nil {
		return 0, nil
	}
	type part struct {
		page []shard.Ref
		next shard.Place
	}
	found := make([][]shard.Ref, len(n.loops))
	for i, l := range n.loops {
		for from, first := (shard.Place{}), true; first || from != (shard.Place{}); first = false {
			got, err := step(ctx, p, l, func(s *shard.Shard) part {
				page, next := s.UserSessions(project, user, from)
				return part{page, next}
			})
			if err != nil {
				return 0, err
			}
			found[i] = append(found[i], got.page...)
			from = got.next
		}
	}
	all := 0
	for i, l := range n.loops {
		some, err := n.kick(ctx, p, l, found[i])
		all += some
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Destinations lists what is subscribed to in a project in order of the names, each with its counts of all shards: emit
// gets them in parts, and more says whether some may follow the last. An error of emit ends the listing behind what it
// got.
func (n *Node) Destinations(ctx context.Context, q shard.DestinationQuery, emit func([]shard.DestinationInfo) error) (more bool, err error) {
	p := n.project(q.Project)
	if p == nil {
		return false, nil
	}
	m := merge{feeds: make([]feed, len(n.loops))}
	for i, l := range n.loops {
		m.feeds[i] = feed{next: func(after string, limit int) ([]shard.DestinationInfo, bool, error) {
			return n.destinations(ctx, p, l, q, after, limit)
		}, after: q.After, more: true}
	}
	for q.Limit != 0 {
		page, more, err := m.page(q.Limit)
		if err != nil {
			return true, err
		}
		if q.Limit > 0 {
			q.Limit -= len(page)
		}
		if len(page) > 0 {
			if err := emit(page); err != nil {
				return more, err
			}
		}
		if !more {
			return false, nil
		}
	}
	return true, nil
}

func (n *Node) destinations(ctx context.Context, p *project, l *loop, q shard.DestinationQuery, after string, limit int) ([]shard.DestinationInfo, bool, error) {
	q.After, q.Limit = after, limit
	type part struct {
		page []shard.DestinationInfo
		more bool
	}
	got, err := step(ctx, p, l, func(s *shard.Shard) part {
		page, more := s.Destinations(&q)
		return part{page, more}
	})
	return got.page, got.more, err
}

// ErrDraining is why a node that is stopping is not ready.
var ErrDraining = errors.New("the node is stopping")

// Ready is nil when clients may be sent to this node.
func (n *Node) Ready() error {
	if n.draining.Load() {
		return ErrDraining
	}
	if err := n.bus.Ready(); err != nil {
		return err
	}
	return n.bus.Behind()
}

// Counts tells what a project has and did on this node, and how many pushes it took from the bus. The counts are kept:
// no loop is asked.
func (n *Node) Counts(project string) (all shard.ProjectCounts, pushes uint64) {
	for _, l := range n.loops {
		some := l.shard.Counts(project)
		all.Sessions += some.Sessions
		all.Subscriptions += some.Subscriptions
		all.Deliveries += some.Deliveries
	}
	if p := n.project(project); p != nil {
		pushes = p.accepted.Load()
	}
	return all, pushes
}
