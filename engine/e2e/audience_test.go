package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stentor/stomp"
)

// An audience is many clients at a front. Each has a goroutine that reads.
type audience struct {
	t       testing.TB
	front   string
	seq     int // of the last push
	members []*peer

	reading   atomic.Int64 // members whose connection is there
	delivered atomic.Int64 // pushes that all members together have got, each in its turn and whole

	mu    sync.Mutex
	wrong []string // what else came
}

// sources are where an audience comes from. The servers do not trust these addresses.
var sources = []netip.Addr{netip.MustParseAddr("127.0.0.71"), netip.MustParseAddr("127.0.0.72")}

// gather connects n clients that subscribe to what everybody hears.
func gather(t testing.TB, address string, n int) *audience {
	t.Helper()
	a := &audience{t: t, front: address}
	a.more(n)
	return a
}

func (a *audience) more(n int) {
	a.t.Helper()
	for range n {
		p, err := open(a.t, from(sources[len(a.members)%len(sources)].AsSlice()), a.front)
		if err != nil {
			a.t.Fatal(err)
		}
		if err := p.upgrade("/ws"); err != nil {
			a.t.Fatal(err)
		}
		p.connect()
		p.subscribe("a", "/topic/shop/all")
		p.patience = time.Hour // it waits as long as its test, and answers pings
		a.members = append(a.members, p)
		a.reading.Add(1)
		go a.follow(p, a.seq+1)
	}
}

// follow reads what p gets, from the push with this number, until its connection ends.
func (a *audience) follow(p *peer, next int) {
	defer a.reading.Add(-1)
	defer p.close()
	for {
		e, err := p.event()
		switch {
		case err != nil || e.kind == isClose:
			return
		case e.kind != isFrame:
		case e.command != stomp.MessageCommand || string(e.body) != saying(next):
			a.mu.Lock()
			a.wrong = append(a.wrong, fmt.Sprintf("%s got %v instead of push %d", p.conn.LocalAddr(), e, next))
			a.mu.Unlock()
			return
		default:
			next++
			a.delivered.Add(1)
		}
	}
}

// saying is the body of a push: of several lengths, and it says which one it is.
func saying(seq int) string { return fmt.Sprintf("push %d %s", seq, strings.Repeat("x", seq%10*200)) }

// hear pushes some messages, each of which has to reach everybody, once, whole and in order.
func (a *audience) hear(s *server, pushes int) {
	a.t.Helper()
	want := a.delivered.Load()
	for range pushes {
		a.seq++
		s.push(a.t, fields{"topic": "all", "payload": saying(a.seq)})
		want += int64(len(a.members))
	}
	eventually(a.t, fmt.Sprintf("%d clients hear %d pushes", len(a.members), pushes), func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		if reading := int(a.reading.Load()); len(a.wrong) > 0 || reading != len(a.members) {
			a.t.Fatalf("%d of %d clients are there; wrong: %.2000q", reading, len(a.members), a.wrong)
		}
		return a.delivered.Load() == want
	})
}

// addresses are the clients' own, sorted; without their ports when the proxy does not tell them.
func (a *audience) addresses(ports bool) []string {
	var texts []string
	for _, p := range a.members {
		own := p.conn.LocalAddr().(*net.TCPAddr)
		if ports {
			texts = append(texts, own.String())
		} else {
			texts = append(texts, own.IP.String())
		}
	}
	slices.Sort(texts)
	return texts
}
