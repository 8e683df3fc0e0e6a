package shard

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// TestShares: however many take what they can get, there is something left for a project and for a session that come
// late, and the sum stays within the budget.
func TestShares(t *testing.T) {
	const most = 64 << 20
	for _, n := range []int{1, 2, 10, 100, 1000} {
		b := NewBudget(most)
		greedy := []*Share{b.Share(Allowance), b.Share(Allowance)}
		held := make([]int64, 2*n)
		for i := range held {
			greedy[i%2].add(0, 1)
		}
		for grew := true; grew; {
			grew = false
			for i := range held {
				if s := greedy[i%2]; held[i]+4<<10 <= s.most() {
					held[i] += 4 << 10
					s.add(4<<10, 0)
					grew = true
				}
			}
		}
		late := b.Share(Allowance)
		fair := int64(most) / (4 * int64(n+8)) // an eighth of what is left to whom comes late, or a little less
		if b.Used() > most || late.most() < max(Allowance, fair/8) {
			t.Errorf("%d sessions: %d bytes are used, a late project's session may have %d", 2*n, b.Used(), late.most())
		}
		t.Logf("%d sessions: %d KiB are used, the last has %d KiB; a late session of the project may have %d KiB, one of another project %d KiB",
			2*n, b.Used()>>10, held[len(held)-1]>>10, greedy[0].most()>>10, late.most()>>10)
		for i := range held {
			greedy[i%2].add(-held[i], -1)
		}
		if b.Used() != 0 || greedy[0].Held() != 0 {
			t.Errorf("%d bytes are left", b.Used())
		}
	}
}

// budgeted is a rig whose sessions share so many bytes.
func budgeted(t *testing.T, most int64) (*rig, *Budget) {
	b := NewBudget(most)
	r := newRig(t, func(s *Settings) { s.Share, s.AckWindow = b.Share(Allowance), 50_000 })
	r.s.strangers.share = NewBudget(most).Share(0)
	return r, b
}

// begin sends the beginning of a frame with a body of n bytes.
func (k *stubSocket) begin(n int) {
	frame := fmt.Sprintf("SEND\ndestination:/none/x\ncontent-length:%d\n\n", n)
	k.r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, []byte(frame)))
}

// greed is the ways in which a session can hold much. Each reports false when it has nothing more to do.
var greed = map[string]func(k *stubSocket, step int) bool{
	"frame": func(k *stubSocket, step int) bool {
		k.begin(60_000)
		return false
	},
	"transaction": func(k *stubSocket, step int) bool {
		if step == 0 {
			k.send(stomp.Begin, "transaction", "t")
		}
		k.send(stomp.Send, "transaction", "t", "destination", "/none/x", "x", strings.Repeat("y", 10_000))
		return step < 50
	},
	"subscriptions": func(k *stubSocket, step int) bool {
		k.subscribe(fmt.Sprintf("/topic/%d/%d/%s", k.conn.idx, step, strings.Repeat("d", 900)), fmt.Sprint(step, strings.Repeat("i", 100)))
		return step < 99
	},
	"of a user": func(k *stubSocket, step int) bool {
		k.subscribe(fmt.Sprintf("/user/%d/%d/%s", k.conn.idx, step, strings.Repeat("d", 900)), fmt.Sprint(step))
		return step < 99
	},
	"answers": func(k *stubSocket, step int) bool {
		k.send(stomp.Send, "destination", "/app/x", "receipt", strings.Repeat("r", 10_000))
		return step < 60
	},
	"input": func(k *stubSocket, step int) bool {
		k.send(stomp.Send, "destination", "/app/x", "x", strings.Repeat("r", 3_000))
		return step < 130
	},
}

// TestSessionBytes: sessions that hold what they can are stopped at the bound; those who hold little are not touched,
// and what all of them hold is counted exactly.
func TestSessionBytes(t *testing.T) {
	const most = 2 << 20
	for name, step := range greed {
		t.Run(name, func(t *testing.T) {
			r, b := budgeted(t, most)
			r.forwarded = &[]func(error){}
			modest := r.connect("modest")
			var all []*stubSocket
			for i := range 300 {
				all = append(all, r.connect(fmt.Sprint("greedy", i)))
			}
			top := int64(0)
			for i, going := 0, true; going; i++ {
				going = false
				for _, k := range all {
					if k.open() && step(k, i) {
						going = true
					}
					top = max(top, b.Used())
				}
				r.run()
			}
			if top > most || r.met(refusal.SessionBytes) == 0 {
				t.Errorf("%d bytes of %d were used", top, most)
			}
			for i := range 4 {
				modest.subscribe(fmt.Sprint("/topic/mine/", i), fmt.Sprint("sub-", i))
			}
			modest.begin(1000)
			if !modest.open() {
				t.Error("one that holds little is closed")
			}
			late := r.connect("late")
			late.subscribe("/topic/late", "sub-0")
			if !late.open() {
				t.Error("one that comes late is closed")
			}
			audit(t, r)
			for _, k := range append(all, modest, late) {
				r.s.Gone(k.conn)
			}
			r.run()
			if share := r.settings.Share; share.Held() != 0 || share.sessions != 0 || b.Used() != 0 || r.s.strangers.held != 0 {
				t.Errorf("%d bytes of %d sessions are left, %d used", share.Held(), share.sessions, b.Used())
			}
		})
	}
}

// audit counts again what is held.
func audit(t *testing.T, r *rig) {
	t.Helper()
	p := r.s.projects[rigProject]
	held := 0
	for t := range p.all() {
		held += t.cost() + int(t.subscriptions)*subCost
	}
	for _, id := range p.ids {
		held += id.cost()
	}
	for idx := uint32(1); idx <= r.s.conns.used; idx++ {
		if c := r.s.conns.at(idx); c.state == stateOpen && c.project == p {
			held += c.sess.Held()
			for i := c.subs; i != 0; i = r.s.subs.at(i).next {
				held += r.s.subs.at(i).window()
			}
		}
	}
	if int(p.pool.held) != held {
		t.Errorf("%d bytes are held, %d counted", held, p.pool.held)
	}
}

// TestAckWindowsCount: a client that never acknowledges holds what it owes.
func TestAckWindowsCount(t *testing.T) {
	r, b := budgeted(t, 4<<20)
	k := r.connect("ann")
	for i := range 10 {
		k.subscribe("/topic/a", fmt.Sprint(i), "ack", "client-individual")
	}
	for i := 0; i < 20_000 && k.open(); i++ {
		r.push("/topic/a", 1)
		if i%100 == 0 {
			r.tick()
		}
	}
	if k.open() || r.met(refusal.SessionBytes) != 1 || r.last().Reason != refusal.SessionBytes {
		t.Errorf("%d bytes are held, %d used", r.settings.Share.Held(), b.Used())
	}
	r.s.Gone(k.conn)
	if r.settings.Share.Held() != 0 {
		t.Errorf("%d bytes are left", r.settings.Share.Held())
	}
}

// TestStrangersAreBounded: what connections hold that have yet to say who they are has a bound of its own.
func TestStrangersAreBounded(t *testing.T) {
	r, b := budgeted(t, 1<<20)
	known := r.connect("ann")
	for range 1000 {
		k := &stubSocket{r: r}
		k.conn = r.s.Open(k, known.conn.addrPort())
		for range 15 {
			r.s.Input(k.conn, []byte("GET /ws HTTP/1.1\r\nx: " + strings.Repeat("y", 100) + "\r\n")[:100])
		}
		if r.s.strangers.held > 1<<20 {
			t.Fatalf("%d bytes", r.s.strangers.held)
		}
	}
	if b.Used() != 0 || r.met(refusal.SessionBytes) == 0 {
		t.Errorf("%d bytes are counted for sessions", b.Used())
	}
	known.begin(60_000)
	if !known.open() {
		t.Error("strangers use up what is for sessions")
	}
	r.now += int64(time.Minute)
	for range 2000 {
		r.tick()
	}
	if r.s.strangers.held != 0 {
		t.Errorf("%d bytes are left", r.s.strangers.held)
	}
}

// heavyRights are those of a token with a long claim.
type heavyRights struct{ simRights }

func (heavyRights) Bytes() int { return 10_000 }

func TestRightsAreCounted(t *testing.T) {
	r := newRig(t)
	r.connect("keeps the project")
	held := func() int64 { return r.s.projects[rigProject].pool.held }
	before := held()
	k := r.connect("ann")
	k.conn.rights = heavyRights{}
	k.send(stomp.Begin, "transaction", "t")
	if n := held() - before; n < 10_000 {
		t.Errorf("%d bytes are counted", n)
	}
	r.close(k)
	if n := held() - before; n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestHeldCoversMemory: what sessions are counted for is at least what they take of the heap.
func TestHeldCoversMemory(t *testing.T) {
	ways := map[string]func(k *stubSocket, step int) bool{"patterns": func(k *stubSocket, step int) bool {
		k.subscribe(fmt.Sprintf("/topic/%d/%d/%s/*", k.conn.idx, step, strings.Repeat("d", 100)), fmt.Sprint(step))
		return step < 9
	}, "short subscriptions": func(k *stubSocket, step int) bool {
		k.subscribe(fmt.Sprintf("/topic/%d/%d", k.conn.idx, step), fmt.Sprint(k.conn.idx, step))
		return step < 99
	}}
	maps.Copy(ways, greed)
	for name, step := range ways {
		t.Run(name, func(t *testing.T) {
			r, _ := budgeted(t, 0)
			r.s.conf.Limits.PatternSteps, r.s.conf.Limits.UserPatternSteps, r.s.conf.Limits.Patterns = 1<<30, 1<<30, 1<<30
			r.forwarded = &[]func(error){}
			var all []*stubSocket
			for i := range 100 {
				all = append(all, r.connect(fmt.Sprint("user", i)))
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for _, k := range all {
				for i := 0; step(k, i); i++ {
				}
				if !k.open() {
					t.Fatal("closed")
				}
			}
			r.inbound, *r.forwarded = nil, nil
			runtime.GC()
			runtime.ReadMemStats(&after)
			heap, held := int(after.HeapAlloc)-int(before.HeapAlloc), int(r.s.projects[rigProject].pool.held)
			t.Logf("%d KiB of heap, %d counted", heap>>10, held>>10)
			if heap > held+held/8 {
				t.Errorf("%d KiB of heap, but only %d are counted", heap>>10, held>>10)
			}
			runtime.KeepAlive(all)
			runtime.KeepAlive(r)
		})
	}
}
