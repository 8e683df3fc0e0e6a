package engine

import (
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
)

// Publish hands a push to the bus. done gets its position once the bus has it. Any goroutine may call it. See bus.Bus;
// it also answers bus.ErrRateLimited.
func (n *Node) Publish(r *bus.Record, done func(bus.Position, error)) {
	p := n.project(r.Project)
	switch {
	case p == nil:
		done(bus.Position{}, bus.ErrUnknownProject)
	case n.draining.Load():
		done(bus.Position{}, bus.ErrClosed)
	default:
		if pos, known := n.Known(r.Project, r.ID); known {
			done(pos, nil) // a retry costs nothing of the rate
			return
		}
		if !p.pushes.Allow() {
			p.limited.Add(1)
			done(bus.Position{}, bus.ErrRateLimited)
			return
		}
		n.bus.Publish(r, done)
	}
}

// Admit implements bus.Local: the embedded bus has no queue but the history, so at the bound a push is refused.
func (n *Node) Admit(name string, size int) error {
	p := n.project(name)
	if p == nil {
		return bus.ErrUnknownProject
	}
	if pending := p.history.Pending(); pending > 0 && pending+int64(size) > n.opts.Limits.PendingBytes {
		p.busy.Add(1)
		return bus.ErrBusy
	}
	return nil
}

// Known implements bus.Local.
func (n *Node) Known(name, id string) (bus.Position, bool) {
	p := n.project(name)
	if p == nil || id == "" {
		return bus.Position{}, false
	}
	return p.history.Known(id)
}

// Deliver implements bus.Sink: encode once, keep, hand to every shard.
func (n *Node) Deliver(pos bus.Position, r *bus.Record) {
	p := n.project(r.Project)
	if p == nil {
		return
	}
	now := n.now()
	var expires int64
	if r.TTL > 0 {
		age := time.Since(r.Time)
		if age >= r.TTL {
			n.expired.Add(1)
			return
		}
		expires = now + int64(r.TTL-age)
	}
	e := history.NewEntry(pos, r, now, expires)
	p.accepted.Add(1)
	p.history.Append(e, len(n.loops))
	for _, l := range n.loops {
		l.shard.Push(r.Project, e)
	}
}
