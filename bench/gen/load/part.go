package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Part is one generator's part of a run. All generators have the same Spec and derive from it the same streams and the same
// order of messages: each numbers all messages, and pushes only those of its own streams. So each knows what must come
// without asking the others.
type Part struct {
	Index, Count int
	Run          uint32 // in every payload
	Group        Group
}

// Group is all generators of a run, as one of them sees them.
type Group interface {
	// Meet waits until every generator has reached its next point, which has the same name for all, and returns the highest
	// of their values. An error ends the run. One goroutine at a time calls it.
	Meet(ctx context.Context, name string, value int64) (highest int64, err error)
}

// alone is a Group of one.
type alone struct{}

func (alone) Meet(_ context.Context, _ string, value int64) (int64, error) { return value, nil }

func whole() Part { return Part{Count: 1, Run: rand.Uint32(), Group: alone{}} }

// ahead is how long before they are due messages are numbered when there are several generators. Otherwise a connection
// might subscribe and expect a message that another generator is sending already.
const ahead = time.Second

func (p Part) ahead() time.Duration {
	if p.Count == 1 {
		return 0
	}
	return ahead
}

// begins is when what a phase does begins that is to happen at the same time: the pushes, and the connections that come and go
// meanwhile. With several generators all number the first messages before that.
func (p Part) begins() time.Time { return time.Now().Add(p.ahead()) }

// owns reports whether this generator pushes the messages of a stream.
func (p Part) owns(stream int) bool { return stream%p.Count == p.Index }

// share returns this part of n things: the index of the first, and how many.
func (p Part) share(n int) (first, count int) {
	first = n * p.Index / p.Count
	return first, n*(p.Index+1)/p.Count - first
}

// cut returns the part of s, and the number of its first connection.
func (p Part) cut(s *Spec) (part *Spec, first int, err error) {
	if p.Count < 1 || p.Index < 0 || p.Index >= p.Count || p.Count > s.Connections {
		return nil, 0, fmt.Errorf("part %d of %d: a generator needs a connection at least, and there are %d", p.Index+1, p.Count, s.Connections)
	}
	c := *s
	if p.Count == 1 {
		return &c, 0, nil
	}
	first, c.Connections = p.share(s.Connections)
	share := float64(c.Connections) / float64(s.Connections)
	c.OpenRate *= share
	c.ChurnRate *= share
	_, c.Kicks = p.share(s.Kicks)
	if p.Index > 0 {
		c.Metrics = []string{"none"} // one that looks at the servers is enough
	}
	c.Sources, err = p.sources(s.Sources)
	return &c, first, err
}

// sources are the addresses that this generator connects from: its part of the loopback addresses, which every host has,
// and those other addresses that this host has.
func (p Part) sources(texts []string) ([]string, error) {
	given, err := sources(texts)
	if err != nil || len(given) == 0 {
		return nil, err
	}
	var loopback []netip.Addr
	var own []string
	for _, a := range given {
		switch {
		case a.IsLoopback():
			loopback = append(loopback, a)
		case bindable(a) == nil:
			own = append(own, a.String())
		}
	}
	first, n := p.share(len(loopback))
	for _, a := range loopback[first : first+n] {
		own = append(own, a.String())
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("--source: none of the %d addresses is for this generator (%d of %d): a host has to have some of them, or there must be as many loopback addresses as generators", len(given), p.Index+1, p.Count)
	}
	return own, nil
}
