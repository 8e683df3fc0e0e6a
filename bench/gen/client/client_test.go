package client

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"stentor/bench/gen/measure"
	"stentor/bench/internal/fake"
	"stentor/engine/bus"
	"stentor/engine/testkit"
	"stentor/engine/websocket"
	"stentor/stomp"
)

const (
	topic = "/topic/bench/all"
	queue = "/user/queue/bench"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func serve(t *testing.T) *fake.Server {
	t.Helper()
	return serveAt(t, "127.0.0.1:0")
}

func serveAt(t *testing.T, address string) *fake.Server {
	t.Helper()
	s, err := fake.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func options(s *fake.Server) Options { return optionsAt(s.Address()) }

func optionsAt(address netip.AddrPort) Options {
	return Options{Addresses: []netip.AddrPort{address}, Path: "/ws", Subscriptions: []string{topic, queue}, Receipts: true, Threads: 2, Sources: Loopback(1)}
}

func payload(seq uint32) []byte {
	return measure.AppendPayload(nil, seq, time.Now().UnixNano(), 200)
}

// eventually polls cond: what it waits for happens on other goroutines and has no event of its own.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBroadcast(t *testing.T) {
	const connections, pushes = 300, 20
	s := serve(t)
	c := connect(t, options(s))
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, connections); err != nil {
		t.Fatal(err)
	}
	if n := s.Subscriptions(topic); n != connections {
		t.Fatalf("%d subscriptions", n)
	}
	for i := range pushes {
		s.Push(topic, payload(uint32(i+1)))
		s.Push(queue, payload(uint32(i+1))) // a stream with a numbering of its own
	}
	if err := c.WaitDelivered(ctx, connections*pushes*2); err != nil {
		t.Fatal(err)
	}
	got := c.Counts()
	if got.Order != (measure.Order{}) || got.Reading != connections || got.Delivered != connections*pushes*2 || len(got.Failures) > 0 {
		t.Errorf("%+v", got)
	}
	if l := c.Latency(); l.Count != got.Delivered || l.Most <= 0 || l.Most > 10*time.Second {
		t.Errorf("latency %+v", l)
	}
	c.ResetLatency()
	if l := c.Latency(); l.Count != 0 {
		t.Errorf("latency after reset %+v", l)
	}
	if f := c.LastMessage(); !strings.Contains(string(f), "\nsubscription:") {
		t.Errorf("last message %q", f)
	}
}

// What is wrong must be seen on the connections that it happens to, in the fast path and in the slow one.
func TestOrder(t *testing.T) {
	const connections = 40
	for _, test := range []struct {
		name string
		seqs []uint32
		want measure.Order // of one connection
	}{
		{"in order", []uint32{1, 2, 3, 4, 5}, measure.Order{}},
		{"lost", []uint32{1, 2, 4}, measure.Order{Lost: 1}},
		{"repeated", []uint32{1, 2, 2, 3}, measure.Order{Repeated: 1}},
		{"swapped", []uint32{1, 3, 2, 4}, measure.Order{Reordered: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			c := connect(t, options(s))
			ctx := bounded(t)
			if err := c.Open(ctx, Reading, connections); err != nil {
				t.Fatal(err)
			}
			for _, seq := range test.seqs {
				s.Push(topic, payload(seq))
			}
			if err := c.WaitDelivered(ctx, int64(connections*len(test.seqs))); err != nil {
				t.Fatal(err)
			}
			got := c.Counts().Order
			want := measure.Order{Lost: connections * test.want.Lost, Repeated: connections * test.want.Repeated, Reordered: connections * test.want.Reordered}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// compiled is a message as the server would send it.
func compiled(subscription string, seq uint32) []byte {
	m := stomp.NewMessage(topic, fmt.Sprint("1-0-", seq), "application/json", nil, payload(seq))
	return websocket.AppendFrame(nil, ws.OpText, m.AppendTo(nil, stomp.V12, []byte("subscription:"+subscription+"\n")))
}

func TestOneConnectionGetsOthersMessage(t *testing.T) {
	s := serve(t)
	c := connect(t, options(s))
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, 10); err != nil {
		t.Fatal(err)
	}
	one, two, three := compiled("0", 1), compiled("0", 2), compiled("0", 3)
	broken := slices.Replace(slices.Clone(two), len(two)-10, len(two)-9, '#')
	stranger := compiled("7", 2)
	i := 0
	s.Each(func(write func([]byte)) {
		write(one)
		switch i++; i {
		case 3:
			write(broken)
		case 4:
			write(stranger)
		case 5: // nothing
		default:
			write(two)
		}
		write(three)
	})
	if err := c.WaitDelivered(ctx, 27); err != nil {
		t.Fatal(err)
	}
	eventually(t, "order", func() bool { return c.Counts().Order == measure.Order{Lost: 3, Corrupted: 1, Misrouted: 1} })
}

// Frames must be read alike however TCP cuts them, and whether or not WebSocket fragments them.
func TestPieces(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.Threads = 1
	c := connect(t, o)
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, 2); err != nil {
		t.Fatal(err)
	}
	stream := append(compiled("0", 1), ws.MustCompileFrame(ws.NewPingFrame([]byte("are you there")))...)
	stream = append(stream, ws.MustCompileFrame(ws.NewTextFrame([]byte("\n")))...)
	_, whole, _ := strings.Cut(string(compiled("0", 2)), "MESSAGE")
	first, rest := "MESSAGE"+whole[:50], whole[50:]
	stream = append(stream, ws.MustCompileFrame(ws.NewFrame(ws.OpText, false, []byte(first)))...)
	stream = append(stream, ws.MustCompileFrame(ws.NewPongFrame([]byte("between")))...)
	stream = append(stream, ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, []byte(rest)))...)
	stream = append(stream, compiled("0", 3)...)

	cut := 0
	s.Each(func(write func([]byte)) {
		// One client gets it whole, the other byte by byte: Nagle is off, and each read gets what is there.
		if cut++; cut == 1 {
			write(stream)
			return
		}
		for i := range stream {
			write(stream[i : i+1])
		}
	})
	if err := c.WaitDelivered(ctx, 6); err != nil {
		t.Fatal(err, c.Counts())
	}
	if got := c.Counts(); got.Order != (measure.Order{}) || got.Reading != 2 {
		t.Errorf("%+v", got)
	}
}

func TestHeartbeats(t *testing.T) {
	const connections = 50
	s := serve(t)
	s.SetHeartbeat("10,250") // the server promises one every 500 ms and sends none
	o := options(s)
	o.Heartbeat = 500 * time.Millisecond
	c := connect(t, o)
	ctx := bounded(t)
	start := time.Now()
	if err := c.Open(ctx, Reading, connections-5); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(ctx, Silent, 5); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three rounds of heart-beats", func() bool { return s.Heartbeats() >= 3*connections })
	if d := time.Since(start); d < 800*time.Millisecond {
		t.Errorf("three rounds of heart-beats in %v", d)
	}
	eventually(t, "missed heart-beats", func() bool { return c.Counts().HeartbeatsMissed >= connections-5 })
}

func TestSilent(t *testing.T) {
	s := serve(t)
	c := connect(t, options(s))
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, 10); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(ctx, Silent, 4); err != nil {
		t.Fatal(err)
	}
	if got := c.Counts(); got.Reading != 10 || got.Silent != 4 {
		t.Fatalf("%+v", got)
	}
	for i := range 3 {
		s.Push(topic, payload(uint32(i+1)))
	}
	if err := c.WaitDelivered(ctx, 30); err != nil {
		t.Fatal(err)
	}
	silent, err := c.Addresses(Silent)
	if err != nil || len(silent) != 4 || silent[0].Addr() != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("addresses %v, %v", silent, err)
	}
	if err := c.Drop(Silent, 4); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the silent are gone", func() bool { return s.Sessions() == 10 })
	if n := c.Delivered(); n != 30 {
		t.Errorf("%d messages", n)
	}
}

func TestChurn(t *testing.T) {
	const connections, dropped = 200, 37
	s := serve(t)
	c := connect(t, options(s))
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, connections); err != nil {
		t.Fatal(err)
	}
	sent := int64(0)
	for round := range 3 {
		s.Push(topic, payload(uint32(round+1)))
		sent += connections
		if err := c.WaitDelivered(ctx, sent); err != nil {
			t.Fatal(err)
		}
		if err := c.Drop(Reading, dropped); err != nil {
			t.Fatal(err)
		}
		if got := c.Counts().Reading; got != connections-dropped {
			t.Fatalf("%d left", got)
		}
		eventually(t, "the server sees them go", func() bool { return s.Sessions() == connections-dropped })
		if err := c.Open(ctx, Reading, dropped); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Counts(); got.Order != (measure.Order{}) || got.Reading != connections || len(got.Failures) > 0 {
		t.Errorf("%+v", got)
	}
	if err := c.Drop(Silent, 1); err == nil {
		t.Error("a connection was dropped that is not there")
	}
}

// All connections can be dropped, however unevenly the threads have them.
func TestDropOfUneven(t *testing.T) {
	o := options(serve(t))
	o.Threads = 3
	c := connect(t, o)
	if err := c.Open(bounded(t), Reading, 30); err != nil {
		t.Fatal(err)
	}
	if c.threads[2].drop(Reading, 9) != 9 || c.threads[0].drop(Reading, 2) != 2 {
		t.Fatal("not dropped")
	}
	if err := c.Drop(Reading, 19); err != nil || c.Counts().Reading != 0 {
		t.Errorf("%v, %d left", err, c.Counts().Reading)
	}
}

// What came while connections were away is theirs when they come back, on each subscription, and nothing comes twice.
func TestResume(t *testing.T) {
	const connections = 60
	s := serve(t)
	o := options(s)
	o.Resume = true
	c := connect(t, o)
	ctx := bounded(t)
	sent := int64(0)
	push := func(from, to, dropped int) {
		for i := from; i <= to; i++ {
			s.Push(topic, payload(uint32(i)))
			if i%2 == 0 {
				s.Push(queue, payload(uint32(i/2)))
				sent += connections
			}
			sent += connections
		}
		if err := c.WaitDelivered(ctx, sent-int64(dropped*(to-from+1)*3/2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Open(ctx, Reading, connections); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		// The first time nobody has had a message yet: the receipt told where they were.
		if err := c.Drop(Reading, connections/2); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server sees them go", func() bool { return s.Sessions() == connections/2 })
		push(40*round+1, 40*round+20, connections/2)
		if err := c.Open(ctx, Reading, connections/2); err != nil {
			t.Fatal(err)
		}
		push(40*round+21, 40*round+40, 0)
	}
	got := c.Counts()
	if got.Order != (measure.Order{}) || got.Resumed != 3*connections || got.Gaps != 0 || got.Delivered != sent || len(got.Failures) > 0 {
		t.Errorf("%+v, %d sent", got, sent)
	}
}

func TestResumeAfterFailure(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.Resume = true
	c := connect(t, o)
	ctx := bounded(t)
	for range 2 {
		if err := c.Open(ctx, Reading, 10); err != nil {
			t.Fatal(err)
		}
		s.Hang(websocket.AppendClose(nil, 1012, "restart"))
		eventually(t, "closed", func() bool { return c.Counts().Reading == 0 })
	}
	if got := c.Counts(); got.Resumed != 20 {
		t.Errorf("%+v", got)
	}
}

// A server that has forgotten says so, and what it leaves out is seen.
func TestResumeWithAGap(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.Resume = true
	c := connect(t, o)
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, 10); err != nil {
		t.Fatal(err)
	}
	s.Push(topic, payload(1))
	if err := c.WaitDelivered(ctx, 10); err != nil {
		t.Fatal(err)
	}
	if err := c.Drop(Reading, 10); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	s.Push(topic, payload(2))
	if err := c.Open(ctx, Reading, 10); err != nil {
		t.Fatal(err)
	}
	s.Push(topic, payload(3))
	if err := c.WaitDelivered(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if got := c.Counts(); got.Gaps != 20 || got.Resumed != 0 || got.Order != (measure.Order{Lost: 10}) {
		t.Errorf("%+v", got)
	}
}

func TestPlaces(t *testing.T) {
	var l places
	for _, p := range []bus.Position{{Epoch: 1, Partition: 0, Offset: -1}, {Epoch: 1, Partition: 3, Offset: 7}, {Epoch: 1, Partition: 0, Offset: 9}, {Epoch: 40, Partition: 3, Offset: 0}} {
		l.pass(1, p)
	}
	if got := string(l.appendID(nil, 1)) + ";" + string(l.appendID(nil, 0)); got != "1-0-9,14-3-0;" {
		t.Errorf("%s", got)
	}
}

func TestTokens(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.Headers = func(number int) ([]stomp.Header, error) {
		return []stomp.Header{{Name: []byte("token"), Value: fmt.Append(nil, "t", number)}}, nil
	}
	c := connect(t, o)
	if err := c.Open(bounded(t), Reading, 20); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(s.Tokens()))
	if len(slices.Compact(got)) != 20 {
		t.Errorf("tokens %v", got)
	}
}

func TestFailures(t *testing.T) {
	s := serve(t)
	refused := optionsAt(netip.MustParseAddrPort(testkit.FreePort(t))) // nobody listens there
	bad := options(s)
	bad.Headers = func(int) ([]stomp.Header, error) {
		return []stomp.Header{{Name: []byte("token"), Value: []byte("bad")}}, nil
	}
	raw := refused
	raw.Raw = true
	for _, test := range []struct {
		name, cause string
		o           Options
	}{
		{"nobody listens", "connection refused", refused},
		{"nobody listens, raw", "connection refused", raw},
		{"bad token", "ERROR: Failed to send message: bad token", bad},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := connect(t, test.o).Open(bounded(t), Reading, 5)
			if err == nil || !strings.Contains(err.Error(), test.cause) || !strings.Contains(err.Error(), "5 of 5") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A connection that is tried again and again fails once.
func TestFailsOnce(t *testing.T) {
	c := connect(t, optionsAt(netip.MustParseAddrPort(testkit.FreePort(t)))) // nobody listens there
	if err := c.Open(bounded(t), Reading, 5); err == nil {
		t.Error("opened")
	}
	for range 2 {
		c.BeginAgain(Reading, 5, time.Now())
		if err := c.WaitOpened(bounded(t)); err != nil {
			t.Fatal(err)
		}
	}
	const cause = "connect: connection refused"
	if got := c.Counts(); got.Failed() != 5 || got.Failures[cause] != 5 || got.Again[cause] != 10 {
		t.Errorf("failures %v, and again %v", got.Failures, got.Again)
	}
}

// A connection that was lost keeps its number until it is returned.
func TestLostAndReturned(t *testing.T) {
	const n = 7
	s := serveAt(t, testkit.FreePort(t)) // nobody else listens there when it no longer does
	type lost struct {
		number int
		loss   Loss
	}
	all := make(chan lost, 3*n)
	o := options(s)
	o.Lost = func(number int, l Loss) { all <- lost{number, l} }
	c := connect(t, o)
	if err := c.Open(bounded(t), Reading, n); err != nil {
		t.Fatal(err)
	}
	s.Hang(websocket.AppendClose(nil, 1012, "retry=5 bye"))
	seen := map[int]bool{}
	for range n {
		one := <-all
		if one.loss.Code != 1012 || one.loss.Reason != "retry=5 bye" || !one.loss.Open || seen[one.number] {
			t.Errorf("%+v, again: %t", one, seen[one.number])
		}
		seen[one.number] = true
	}
	if got := c.Counts(); got.Failures["the server closed: 1012"] != n || got.Reading != 0 || got.Opening != 0 {
		t.Errorf("%+v", got)
	}
	c.Begin(Reading, 1, time.Now()) // takes none of their numbers
	if err := c.WaitOpened(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for number := range seen {
		c.Return(Reading, number, time.Now())
	}
	eventually(t, "returned", func() bool { return c.Counts().Reading == n+1 })
	s.Close()
	for range n + 1 {
		<-all
	}
	c.Return(Reading, 3, time.Now())
	if one := <-all; one.number != 3 || one.loss.Open || c.Counts().Again["connect: connection refused"] != 1 {
		t.Errorf("%+v, %v", one, c.Counts().Again)
	}
}

// A server that sends no heart-beats, although it agreed to, is given up by those who want that.
func TestGiveUp(t *testing.T) {
	s := serve(t)
	s.SetHeartbeat("50,50")
	o := options(s)
	o.Heartbeat, o.GiveUp = 50*time.Millisecond, true
	c := connect(t, o)
	c.Begin(Reading, 3, time.Now())
	eventually(t, "given up", func() bool { return c.Counts().Failures["the server is silent"] == 3 })
}

func TestServerGoesAway(t *testing.T) {
	for _, test := range []struct {
		name, cause string
		frame       []byte
	}{
		{"with a close frame", "the server closed: 1012 restart", websocket.AppendClose(nil, 1012, "restart")},
		{"without", "the server closed without a close frame", nil},
		{"with nonsense", "websocket: ", []byte{0xff, 0xff}},
		{"with two frames in a message", "not one whole frame", websocket.AppendFrame(nil, ws.OpText, []byte("RECEIPT\n\n\x00\nMESSAGE\n\n"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			c := connect(t, options(s))
			if err := c.Open(bounded(t), Reading, 7); err != nil {
				t.Fatal(err)
			}
			s.Hang(test.frame)
			eventually(t, "closed", func() bool { return c.Counts().Reading == 0 })
			got := c.Counts()
			if got.Failed() != 7 {
				t.Errorf("failures %v", got.Failures)
			}
			for cause := range got.Failures {
				if !strings.Contains(cause, test.cause) {
					t.Errorf("cause %q", cause)
				}
			}
		})
	}
}

func TestOptions(t *testing.T) {
	good := Options{Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Subscriptions: []string{"/topic/a"}}
	for name, o := range map[string]Options{
		"no address":       {Subscriptions: good.Subscriptions},
		"two families":     {Addresses: append([]netip.AddrPort{netip.MustParseAddrPort("[::1]:1")}, good.Addresses...), Subscriptions: good.Subscriptions},
		"other source":     {Addresses: good.Addresses, Subscriptions: good.Subscriptions, Sources: []netip.Addr{netip.IPv6Loopback()}},
		"no subscription":  {Addresses: good.Addresses},
		"three":            {Addresses: good.Addresses, Subscriptions: []string{"a", "b", "c"}},
		"blind resume":     {Addresses: good.Addresses, Subscriptions: good.Subscriptions, Resume: true},
		"source not valid": {Addresses: good.Addresses, Subscriptions: good.Subscriptions, Sources: []netip.Addr{{}}},
	} {
		if c, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
			c.Close()
		}
	}
}

func TestLoopback(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 8000: 1, 8001: 2, 18000: 3, 2_400_000: 300} {
		if got := Loopback(n); len(got) != want || got[0].String() != "127.0.0.2" {
			t.Errorf("%d connections: %v", n, got)
		}
	}
	if got := Loopback(2_400_000)[299].String(); got != "127.0.1.45" {
		t.Errorf("the 300th address is %s", got)
	}
}

// The generator shares its machine with what it measures.
func TestConnectionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 136 {
		t.Errorf("%d bytes a connection", n)
	}
}

func TestKnownDeliveryAllocatesNothing(t *testing.T) {
	c := connect(t, Options{Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Raw: true, Threads: 1})
	th := c.threads[0]
	th.mu.Lock()
	defer th.mu.Unlock()
	var stream []byte
	for i := range 5 {
		stream = append(stream, compiled("0", uint32(i+1))...)
	}
	conns := make([]conn, 120)
	for i := range conns {
		conns[i].state = open
	}
	now := time.Now()
	th.handle(&conns[100], stream, now)
	i := 0
	if n := testing.AllocsPerRun(100, func() { th.handle(&conns[i%100], stream, now); i++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if th.counts.Delivered != 5*102 || th.counts.Order.Lost != 0 {
		t.Errorf("%+v", th.counts)
	}
}

func BenchmarkKnownDelivery(b *testing.B) {
	c, err := New(Options{Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Raw: true, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	th := c.threads[0]
	th.mu.Lock()
	defer th.mu.Unlock()
	frame := compiled("0", 1)
	now := time.Now()
	for b.Loop() {
		c := conn{state: open}
		th.handle(&c, frame, now)
	}
}

func BenchmarkNewDelivery(b *testing.B) {
	c, err := New(Options{Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, Raw: true, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	th := c.threads[0]
	th.mu.Lock()
	defer th.mu.Unlock()
	frame := compiled("0", 1)
	now := time.Now()
	for b.Loop() {
		c := conn{state: open}
		c.at = th.known.last
		th.handle(&c, frame, now)
	}
}
