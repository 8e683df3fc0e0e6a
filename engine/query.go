package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stentor/engine/shard"
)

// ask makes a shard run f in its loop and waits for it.
func ask[T any](ctx context.Context, s *shard.Shard, f func(*shard.Shard) T) (T, error) {
	answer := make(chan T, 1)
	s.Post(func() { answer <- f(s) })
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

// step makes a shard carry out one step of a query of p, in p's turn and behind the loop's deliveries. The turn ends in the
// loop: a caller that stops waiting leaves no step behind that the next one would add to.
func step[T any](ctx context.Context, p *project, s *shard.Shard, f func(*shard.Shard) T) (T, error) {
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
	s.Ask(func() {
		begun := time.Now()
		defer func() {
			now := time.Now()
			p.inquiry.rested = now.Add(stepRest * now.Sub(begun))
			<-p.inquiry.turn
		}()
		if ctx.Err() == nil {
			answer <- f(s)
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
	if err != nil || f.loop < 0 || f.loop >= len(n.shards) || f.String() != text {
		return f, shard.ErrCursor
	}
	return f, nil
}

// Sessions lists sessions over all shards: emit gets what each step found, some dozens at most, and next is the cursor to
// go on from, "" at the end. Sessions that come and go meanwhile may be missed, or seen twice. An error of emit ends the
// listing after what emit got. On an error next says where the listing stopped.
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
	for from.loop < len(n.shards) {
		if q.Limit == 0 {
			return from.String(), nil
		}
		got, err := step(ctx, p, n.shards[from.loop], func(s *shard.Shard) part {
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
			if from.loop == len(n.shards) {
				return "", err
			}
			return from.String(), err
		}
	}
	return "", nil
}

// find returns the shard that a session is on.
func (n *Node) find(session string) (*shard.Shard, shard.Ref) {
	index, ref, ok := shard.ParseSessionID(session, n.instance)
	if !ok || index >= len(n.shards) {
		return nil, shard.Ref{}
	}
	return n.shards[index], ref
}

func (n *Node) session(ctx context.Context, p *project, q shard.SessionQuery, emit func([]shard.SessionInfo) error) error {
	s, ref := n.find(q.ID)
	if s == nil {
		return nil
	}
	got, err := step(ctx, p, s, func(s *shard.Shard) []shard.SessionInfo {
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

// Kick closes a session, tells its client the reason, and reports whether the session existed.
func (n *Node) Kick(ctx context.Context, project, session, reason string) (bool, error) {
	p := n.project(project)
	s, ref := n.find(session)
	if s == nil || p == nil {
		return false, nil
	}
	found, err := n.kick(ctx, p, s, reason, []shard.Ref{ref})
	return found > 0, err
}

// kick closes sessions of one loop, step by step.
func (n *Node) kick(ctx context.Context, p *project, s *shard.Shard, reason string, all []shard.Ref) (found int, err error) {
	type part struct {
		n    int
		rest []shard.Ref
	}
	for len(all) > 0 {
		got, err := step(ctx, p, s, func(s *shard.Shard) part {
			n, rest := s.Kick(p.name, reason, all)
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

// KickUser closes all sessions that a user has now and returns their number, also with an error. A client that reconnects
// at once, on another loop, is not closed again: the sessions of all loops are looked up before the first is closed.
func (n *Node) KickUser(ctx context.Context, project, user, reason string) (int, error) {
	p := n.project(project)
	if p == nil {
		return 0, nil
	}
	type part struct {
		page []shard.Ref
		next shard.Place
	}
	found := make([][]shard.Ref, len(n.shards))
	for i, s := range n.shards {
		for from, first := (shard.Place{}), true; first || from != (shard.Place{}); first = false {
			got, err := step(ctx, p, s, func(s *shard.Shard) part {
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
	for i, s := range n.shards {
		some, err := n.kick(ctx, p, s, reason, found[i])
		all += some
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Destinations lists the subscribed destinations of a project in order of their names, each with its counts of all shards.
// emit gets them in parts, and more says whether some may follow the last. An error of emit ends the listing after what
// emit got.
func (n *Node) Destinations(ctx context.Context, q shard.DestinationQuery, emit func([]shard.DestinationInfo) error) (more bool, err error) {
	p := n.project(q.Project)
	if p == nil {
		return false, nil
	}
	m := merge{feeds: make([]feed, len(n.shards))}
	for i, s := range n.shards {
		m.feeds[i] = feed{next: func(after string, limit int) ([]shard.DestinationInfo, bool, error) {
			return n.destinations(ctx, p, s, q, after, limit)
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

func (n *Node) destinations(ctx context.Context, p *project, s *shard.Shard, q shard.DestinationQuery, after string, limit int) ([]shard.DestinationInfo, bool, error) {
	q.After, q.Limit = after, limit
	type part struct {
		page []shard.DestinationInfo
		more bool
	}
	got, err := step(ctx, p, s, func(s *shard.Shard) part {
		page, more := s.Destinations(&q)
		return part{page, more}
	})
	return got.page, got.more, err
}

// ErrDraining is why a node that is stopping is not ready.
var ErrDraining = errors.New("the node is stopping")

// ErrEmptied is why a node is not ready after its clients were sent away. Otherwise it keeps running.
var ErrEmptied = errors.New("the node is drained: stentor drain --cancel has it take clients again")

// Ready is nil when clients may be sent to this node.
func (n *Node) Ready() error {
	switch {
	case n.draining.Load():
		return ErrDraining
	case n.emptying.on():
		return ErrEmptied
	}
	if err := n.bus.Ready(); err != nil {
		return err
	}
	return n.bus.Behind()
}

// Unserved returns why the bus does not serve some of the projects, by their names.
func (n *Node) Unserved() map[string]error {
	all := map[string]error{}
	for name := range *n.tenants.Load() {
		if err := n.bus.Serves(name); err != nil {
			all[name] = err
		}
	}
	return all
}

// Counts returns the counts of a project on this node, and how many pushes it took from the bus. The counts are always up
// to date: no loop is asked.
func (n *Node) Counts(project string) (all shard.ProjectCounts, pushes uint64) {
	for _, s := range n.shards {
		some := s.Counts(project)
		all.Sessions += some.Sessions
		all.Subscriptions += some.Subscriptions
		all.Deliveries += some.Deliveries
	}
	if p := n.project(project); p != nil {
		pushes = p.accepted.Load()
	}
	return all, pushes
}
