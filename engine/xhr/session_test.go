package xhr

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/testkit/bubble"
	"stentor/engine/websocket"
)

// stubShard is a loop whose tasks run at once, or never.
type stubShard struct {
	stands bool        // they do not run
	room   []shard.Ref // that Writable was called for
	gone   int
	input  []string
	conn   shard.Conn
}

func (s *stubShard) Post(task func()) {
	if !s.stands {
		task()
	}
}
func (s *stubShard) Writable(all []shard.Ref)      { s.room = append(s.room, all...) }
func (s *stubShard) Gone(*shard.Conn)              { s.gone++ }
func (s *stubShard) Input(_ *shard.Conn, b []byte) { s.input = append(s.input, string(b)) }
func (s *stubShard) OpenSession(socket shard.Socket, _ *shard.Admission) *shard.Conn {
	_, _ = socket.Write([]byte("o\n"))
	return &s.conn
}

// stubHost counts sessions.
type stubHost struct {
	Host
	known, left int
}

func (h *stubHost) Known(netip.AddrPort)       { h.known++ }
func (h *stubHost) Leave(netip.AddrPort, bool) { h.left++ }
func (h *stubHost) Refused(refusal.Record)     {}
func (h *stubHost) Credentials(r *websocket.Request) (token, project string) {
	return websocket.Parameter(r.Query, "token"), websocket.Parameter(r.Query, "project")
}

// stubConn counts its ends.
type stubConn struct {
	Conn
	aborted int
	vouched int
}

func (c *stubConn) Abort() { c.aborted++ }
func (c *stubConn) Vouch() { c.vouched++ }

const testExpiry = 5 * time.Second

// rig is one session with its first receiver.
type rig struct {
	t     *testing.T
	host  stubHost
	shard stubShard
	all   *Sessions
	*Session
	first *receiver
	conn  stubConn
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	r.all = NewSessions(Config{Host: &r.host, Shards: []Shard{&r.shard}, Expiry: testExpiry})
	r.all.Serve(&Server{})
	r.first = newReceiver(&r.conn)
	r.Session, _ = r.all.add(key{id: "abcdefgh"}, shard.Admission{}, sockjs.XHR, r.first)
	if got := r.takes(); got != "o\n" {
		t.Fatalf("%q", got)
	}
	return r
}

// takes is what the receiver takes.
func (r *rig) takes() string {
	p, _, _ := r.take(r.receiver)
	return string(p)
}

func (r *rig) write(p string) {
	r.t.Helper()
	if n, err := r.Write([]byte(p)); n != len(p) || err != nil {
		r.t.Fatal(n, err)
	}
}

// What a shard writes before it knows that a receiver was interrupted is lost like what that receiver had: a client that got it
// would resume behind what it never got.
func TestNothingFollowsAnInterruption(t *testing.T) {
	r := newRig(t)
	r.shard.stands = true
	r.interrupt(r.first)
	r.write("a[\"next\"]\n")
	if n, err := r.Offer([]byte("a[\"large")); err != nil {
		t.Error(n, err)
	}
	if got := r.attach(newReceiver(&r.conn)); string(got) != string(interrupted) {
		t.Errorf("the next receiver gets %q", got)
	}
}

// What waits for a receiver is no backlog before it is a window's worth; then the shard may add nothing but answers, and is told
// once when there is room again.
func TestWindow(t *testing.T) {
	r := newRig(t)
	r.write(strings.Repeat("x", window-2) + "\n")
	if n := r.OutboundBuffered(); n != 0 {
		t.Errorf("%d are buffered", n)
	}
	if n, err := r.Offer([]byte("abc")); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := r.Offer([]byte("bc")); n != 0 || err != nil {
		t.Error(n, err)
	}
	r.write("an answer\n")
	if n := r.OutboundBuffered(); n != window+10 {
		t.Errorf("%d are buffered", n)
	}
	if n, _ := r.Offer([]byte("bc")); n != 0 {
		t.Error(n)
	}
	r.Watch(shard.RefOf(7, 8))
	if len(r.shard.room) != 0 {
		t.Error("there is no room")
	}
	if got := r.takes(); len(got) != window+10 {
		t.Errorf("%d bytes", len(got))
	}
	r.takes()
	if len(r.shard.room) != 1 || r.shard.room[0] != shard.RefOf(7, 8) {
		t.Errorf("%v", r.shard.room)
	}
	r.Watch(shard.RefOf(7, 9)) // there is room already
	r.Unwatch()
	r.takes()
	if len(r.shard.room) != 2 || r.OutboundBuffered() != 0 {
		t.Errorf("%v", r.shard.room)
	}
}

// A session that ends is given up by its shard at once, and what was written comes before the end.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(r *rig)
		first   string // what the receiver takes yet
		later   string // what those after it get
		aborted int
	}{
		{"with words", func(r *rig) { r.write("a[\"x\"]\nc[1012,\"bye\"]\n"); r.CloseWrite() }, "a[\"x\"]\nc[1012,\"bye\"]\n", "c[1012,\"bye\"]\n", 0},
		{"without", func(r *rig) { r.write("a[\"x\"]\n"); r.CloseWrite() }, "a[\"x\"]\n", "c[3000,\"Go away!\"]\n", 0},
		{"at once", func(r *rig) { r.write("a[\"x\"]\n"); r.Close() }, "", "c[3000,\"Go away!\"]\n", 0},
		{"at once, with words", func(r *rig) { r.write("a[\"x\"]\n"); r.write("c[1008,\"slow\"]\n"); r.Close() }, "c[1008,\"slow\"]\n", "c[1008,\"slow\"]\n", 0},
		{"words are no words within a line", func(r *rig) { r.write("a[\"x\"]\n"); r.write("a[\"c[1]\"]\n"); r.Close() }, "", "c[3000,\"Go away!\"]\n", 0},
		{"within a line", func(r *rig) { _, _ = r.Offer([]byte("a[\"x")); r.takes(); r.takes(); r.Close() }, "", "c[3000,\"Go away!\"]\n", 1},
		{"while it is written", func(r *rig) { r.write("a[\"x\"]\n"); r.takes(); r.Close() }, "", "c[3000,\"Go away!\"]\n", 1},
		{"interrupted", func(r *rig) { r.write("a[\"x\"]\n"); r.interrupt(r.first) }, "", "c[1002,\"Connection interrupted\"]\n", 0},
	} {
		r := newRig(t)
		r.takes() // nothing, and so nothing is being written
		c.do(r)
		if r.shard.gone != 1 || r.Session.conn != nil {
			t.Errorf("%s: the shard's connection is given up %d times", c.name, r.shard.gone)
		}
		if p, _, over := r.take(r.first); string(p) != c.first || !over {
			t.Errorf("%s: %q, %t", c.name, p, over)
		}
		r.leave(r.first)
		for range 2 {
			if got := r.attach(newReceiver(&stubConn{})); string(got) != c.later {
				t.Errorf("%s: later %q", c.name, got)
			}
		}
		r.Close() // changes nothing
		if r.conn.aborted != c.aborted || r.shard.gone != 1 {
			t.Errorf("%s: aborted %d times, gone %d", c.name, r.conn.aborted, r.shard.gone)
		}
		if r.input([]byte("x"), nil) || r.shard.input != nil {
			t.Errorf("%s: it takes input", c.name)
		}
		r.timer.Stop()
	}
}

// There is one receiver at a time; the others change nothing.
func TestOneReceiver(t *testing.T) {
	r := newRig(t)
	second := newReceiver(&stubConn{})
	if got := r.attach(second); string(got) != "c[2010,\"Another connection still open\"]\n" {
		t.Errorf("%q", got)
	}
	r.interrupt(second)
	r.leave(second)
	r.write("a[\"x\"]\n")
	if got := r.takes(); got != "a[\"x\"]\n" || r.ended {
		t.Errorf("%q, %t", got, r.ended)
	}
	r.leave(r.first)
	if got := r.attach(second); got != nil {
		t.Errorf("%q", got)
	}
	r.timer.Stop()
	if r.all.Receivers() != 1 {
		t.Error(r.all.Receivers())
	}
}

// A session expires when no receiver has come for so long, and one that is over is forgotten then.
func TestExpiry(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := newRig(t)
		time.Sleep(10 * testExpiry) // a receiver may wait for ever
		for range 3 {
			r.leave(r.first)
			time.Sleep(testExpiry - time.Millisecond)
			if got := r.attach(r.first); got != nil || r.ended {
				t.Fatalf("%q", got)
			}
		}
		r.leave(r.first)
		time.Sleep(testExpiry)
		bubble.Wait()
		if r.all.Len() != 0 || r.shard.gone != 1 || r.host.left != 1 {
			t.Errorf("%d sessions, %d gone, %d left", r.all.Len(), r.shard.gone, r.host.left)
		}

		r = newRig(t)
		r.CloseWrite()
		r.leave(r.first)
		time.Sleep(testExpiry - time.Millisecond)
		if r.attach(r.first) == nil || r.all.Len() != 1 {
			t.Error("it is forgotten too soon")
		}
		time.Sleep(time.Millisecond)
		bubble.Wait()
		if r.all.Len() != 0 || r.shard.gone != 1 || r.host.left != 1 {
			t.Errorf("%d sessions, %d gone, %d left", r.all.Len(), r.shard.gone, r.host.left)
		}
	})
}

// The host is told once when a session is authenticated.
func TestKnown(t *testing.T) {
	r := newRig(t) // the stub's connection is no stranger
	r.write("a[\"CONNECTED\"]\n")
	r.write("a[\"x\"]\n")
	if r.host.known != 1 {
		t.Error(r.host.known)
	}
}

// Who does not know the credentials of a session's requests cannot name it.
func TestKey(t *testing.T) {
	all := newRig(t).all
	of := func(endpoint, id, query, authorization string) key {
		return all.key(endpoint, sockjs.Target{Server: "000", ID: id}, &websocket.Request{Query: query, Authorization: authorization})
	}
	one := of("/ws", "abcdefgh", "token=a&project=b", "")
	if of("/ws", "abcdefgh", "project=b&t=1&token=a", "") != one {
		t.Error("the rest of the query counts")
	}
	for _, other := range []key{
		of("/other", "abcdefgh", "token=a&project=b", ""), of("/ws", "abcdefgx", "token=a&project=b", ""), of("/ws", "abcdefgh", "token=b&project=b", ""),
		of("/ws", "abcdefgh", "token=a", ""), of("/ws", "abcdefgh", "token=a&project=b", "Bearer x"), of("/ws", "abcdefgh", "token=ab&project=", ""),
	} {
		if other == one {
			t.Errorf("%+v", other)
		}
	}
}

// Lines travel as each transport has them, however they are cut.
func TestFraming(t *testing.T) {
	const lines = "o\na[\"x\"]\nc[1,\"\"]\n"
	for transport, want := range map[string]string{
		sockjs.XHRStreaming: lines,
		sockjs.EventSource:  "data: o\r\n\r\ndata: a[\"x\"]\r\n\r\ndata: c[1,\"\"]\r\n\r\n",
	} {
		for size := 1; size <= len(lines); size++ {
			var got []byte
			cut := false
			for rest := []byte(lines); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				piece := rest[:min(size, len(rest))]
				got = framings[transport].append(got, piece, !cut)
				cut = piece[len(piece)-1] != '\n'
			}
			if string(got) != want {
				t.Errorf("%s by %d: %q", transport, size, got)
			}
		}
	}
}

// A session vouches for a few connections, while it is there.
func TestVouches(t *testing.T) {
	known := 0
	s := &Server{conns: map[Conn]*entry{}, conf: ServerConfig{Known: func(Conn) { known++ }, Stranger: func(Conn) { known-- }, Gone: func(_ Conn, was bool) {
		if was {
			known--
		}
	}}}
	one, two := &Session{}, &Session{}
	var conns []*stubConn
	for range 10 {
		c := &stubConn{}
		conns, s.conns[c] = append(conns, c), &entry{conn: c}
		s.vouch(c, one)
		s.vouch(c, one)
	}
	if known != vouches || conns[0].vouched != 1 {
		t.Errorf("%d connections, the first %d times", known, conns[0].vouched)
	}
	s.vouch(conns[0], two) // it passes to the next session
	s.release(conns[1])
	s.vouch(conns[8], one)
	if s.part(one); known != 1 {
		t.Errorf("%d connections of a session that is gone", known-1)
	}
	if s.vouch(conns[9], one); known != 1 {
		t.Error("a session that is gone vouches")
	}
	if s.part(two); known != 0 {
		t.Errorf("%d connections are left", known)
	}
}
