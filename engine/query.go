package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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

// Sessions lists sessions, page by page, over all shards. Sessions that come and go meanwhile may be missed or seen.
func (n *Node) Sessions(ctx context.Context, q shard.SessionQuery) (shard.SessionPage, error) {
	index, slot := 0, uint32(0)
	if q.After != "" {
		if _, err := fmt.Sscanf(q.After, "%d.%d", &index, &slot); err != nil || index < 0 || index >= len(n.loops) {
			return shard.SessionPage{}, shard.ErrCursor
		}
	}
	if q.ID != "" {
		return n.session(ctx, q)
	}
	type part struct {
		page []shard.SessionInfo
		next uint32
	}
	page := []shard.SessionInfo{}
	for ; index < len(n.loops); index, slot = index+1, 0 {
		for first := true; first || slot != 0; first = false {
			got, err := ask(ctx, n.loops[index], func(s *shard.Shard) part {
				page, next := s.Sessions(&q, slot, page)
				return part{page, next}
			})
			if err != nil {
				return shard.SessionPage{}, err
			}
			page, slot = got.page, got.next
			if len(page) == q.Limit && (slot != 0 || index+1 < len(n.loops)) {
				if slot == 0 {
					index++
				}
				return shard.SessionPage{Sessions: page, Next: fmt.Sprintf("%d.%d", index, slot)}, nil
			}
		}
	}
	return shard.SessionPage{Sessions: page}, nil
}

// find is the loop that a session is on.
func (n *Node) find(session string) (*loop, shard.Ref) {
	index, ref, ok := shard.ParseSessionID(session, n.instance)
	if !ok || index >= len(n.loops) {
		return nil, shard.Ref{}
	}
	return n.loops[index], ref
}

func (n *Node) session(ctx context.Context, q shard.SessionQuery) (shard.SessionPage, error) {
	page := shard.SessionPage{Sessions: []shard.SessionInfo{}}
	l, ref := n.find(q.ID)
	if l == nil {
		return page, nil
	}
	got, err := ask(ctx, l, func(s *shard.Shard) []shard.SessionInfo {
		if info, ok := s.Session(q.Project, ref); ok {
			return []shard.SessionInfo{info}
		}
		return nil
	})
	page.Sessions = append(page.Sessions, got...)
	return page, err
}

// Kick closes a session and reports whether there was one.
func (n *Node) Kick(ctx context.Context, project, session string) (bool, error) {
	l, ref := n.find(session)
	if l == nil {
		return false, nil
	}
	return ask(ctx, l, func(s *shard.Shard) bool { return s.Kick(project, ref) })
}

// KickUser closes all sessions that a user has now and returns how many that were. A client that comes back at once, on
// another loop, is not met again: the sessions of all loops are looked up before the first is closed.
func (n *Node) KickUser(ctx context.Context, project, user string) (int, error) {
	found := make([][]shard.Ref, len(n.loops))
	for i, l := range n.loops {
		var err error
		if found[i], err = ask(ctx, l, func(s *shard.Shard) []shard.Ref { return s.UserSessions(project, user) }); err != nil {
			return 0, err
		}
	}
	all := 0
	for i, l := range n.loops {
		if len(found[i]) == 0 {
			continue
		}
		some, err := ask(ctx, l, func(s *shard.Shard) (n int) {
			for _, r := range found[i] {
				if s.Kick(project, r) {
					n++
				}
			}
			return n
		})
		if err != nil {
			return all, err
		}
		all += some
	}
	return all, nil
}

// Destinations lists what is subscribed to in a project, in order of the names.
func (n *Node) Destinations(ctx context.Context, project string) ([]shard.DestinationInfo, error) {
	merged := map[string]*shard.DestinationInfo{}
	for _, l := range n.loops {
		some, err := ask(ctx, l, func(s *shard.Shard) []shard.DestinationInfo { return s.Destinations(project) })
		if err != nil {
			return nil, err
		}
		for _, d := range some {
			if m := merged[d.Destination]; m != nil {
				m.Subscriptions += d.Subscriptions
				m.Detached += d.Detached
			} else {
				merged[d.Destination] = &d
			}
		}
	}
	all := make([]shard.DestinationInfo, 0, len(merged))
	for _, d := range merged {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b shard.DestinationInfo) int { return cmp.Compare(a.Destination, b.Destination) })
	return all, nil
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

// Counts tells what a project has and did on this node, and how many pushes it took from the bus.
func (n *Node) Counts(ctx context.Context, project string) (all shard.ProjectCounts, pushes uint64, err error) {
	for _, l := range n.loops {
		some, err := ask(ctx, l, func(s *shard.Shard) shard.ProjectCounts { return s.Counts(project) })
		if err != nil {
			return all, 0, err
		}
		all.Sessions += some.Sessions
		all.Subscriptions += some.Subscriptions
		all.Deliveries += some.Deliveries
	}
	if p := n.project(project); p != nil {
		pushes = p.accepted.Load()
	}
	return all, pushes, nil
}
