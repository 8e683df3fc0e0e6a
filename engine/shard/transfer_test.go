package shard

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// reader is a socket whose kernel takes so much and no more.
type reader struct {
	*stubSocket
	each   int // an offer
	left   int // until the client reads on
	broken bool
	offers int
	most   int // the largest of them
}

// readers gives a rig sockets that take pieces. watch has the shard told when one takes more, else it has to try.
type readers struct {
	*rig
	all     map[*stubSocket]*reader
	watched map[*stubSocket]Ref
}

func newReaders(t testing.TB, watch bool, change ...func(*Settings)) *readers {
	r := &readers{newRig(t, change...), map[*stubSocket]*reader{}, map[*stubSocket]Ref{}}
	r.s.conf.Offer = func(s Socket, p []byte) (int, error) { return r.all[s.(*stubSocket)].offer(p) }
	if watch {
		r.s.conf.Watch = func(s Socket, ref Ref) bool { r.watched[s.(*stubSocket)] = ref; return true }
		r.s.conf.Unwatch = func(s Socket) { delete(r.watched, s.(*stubSocket)) }
	}
	return r
}

// reader connects a client that takes everything, and is subscribed to /topic/a.
func (r *readers) reader(user string, more ...string) *reader {
	k := &reader{stubSocket: r.connect(user, more...), each: math.MaxInt, left: math.MaxInt}
	r.all[k.stubSocket] = k
	k.keep = true
	k.subscribe("/topic/a", "sub-0")
	return k
}

func (k *reader) offer(p []byte) (int, error) {
	k.offers++
	k.most = max(k.most, len(p))
	if k.broken {
		k.r.close(k.stubSocket)
		return 0, errStub
	}
	n := min(len(p), k.each, k.left)
	k.left -= n
	k.kept = append(k.kept, p[:n]...)
	return n, nil
}

// reads lets the kernel take n bytes more.
func (r *readers) reads(k *reader, n int) {
	k.left = n
	if ref, ok := r.watched[k.stubSocket]; ok && n > 0 {
		r.s.Writable([]Ref{ref})
	}
	r.tick()
}

// got tells what the client has read, in a few words for each frame.
func (k *reader) got() string {
	var all []string
	var reader websocket.ClientReader
	var message []byte
	in := bytes.Clone(k.kept)
	for len(in) > 0 {
		ev, n, err := reader.Next(in, 1<<24)
		if err != nil {
			return fmt.Sprint(all, " ", err)
		}
		if n == 0 {
			break
		}
		in = in[n:]
		switch ev.Kind {
		case websocket.Data:
			if message = append(message, ev.Payload...); ev.Final {
				all = append(all, inWords(message))
				message = nil
			}
		case websocket.Close:
			all = append(all, fmt.Sprint("close ", ev.Code))
		case websocket.Ping:
			all = append(all, "ping")
		case websocket.Pong:
			all = append(all, "pong")
		}
	}
	if reader.MidMessage() || len(message) > 0 {
		all = append(all, "part")
	}
	return strings.Join(all, ", ")
}

func inWords(message []byte) string {
	if string(message) == "\n" {
		return "beat"
	}
	var d stomp.Decoder
	var f stomp.Frame
	var progress stomp.Progress
	if n, err := d.Decode(message, stomp.V12, &stomp.Limits{}, &progress, &f); err != nil || n != len(message) {
		return fmt.Sprintf("no frame: %v", err)
	}
	switch f.Command {
	case stomp.MessageCommand:
		return fmt.Sprintf("%s:%d", header(&f, "subscription"), len(f.Body))
	case stomp.Receipt:
		return "receipt " + header(&f, "receipt-id")
	}
	return strings.ToLower(f.Command.String())
}

func checkGot(t *testing.T, k *reader, want string) {
	t.Helper()
	if got := k.got(); got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
}

const mebi = 1 << 20

// However the kernel takes them, the pieces are one frame, and what else the client gets comes behind it.
func TestTransferInPieces(t *testing.T) {
	for _, watch := range []bool{true, false} {
		for _, each := range []int{math.MaxInt, 100_000, writeBytes, 5000, 9} {
			t.Run(fmt.Sprint(each, watch), func(t *testing.T) {
				size := mebi
				if each < 1000 {
					size = 20_000
				}
				r := newReaders(t, watch)
				k := r.reader("ann")
				k.kept = nil
				k.each, k.left = each, each
				e := r.push("/topic/a", size)
				r.push("/topic/a", 10)
				r.push("/topic/a", size)
				r.run()
				k.send(stomp.Subscribe, "destination", "/topic/b", "id", "b", "receipt", "1")
				for steps := 0; (k.conn.moves || r.s.stats.Detached.Load() > 0) && steps < 50_000; steps++ {
					r.reads(k, each)
				}
				want := fmt.Sprintf("sub-0:%d, receipt 1, sub-0:10, sub-0:%[1]d", size)
				if each == math.MaxInt {
					want = fmt.Sprintf("sub-0:%d, sub-0:10, sub-0:%[1]d, receipt 1", size)
				}
				checkGot(t, k, want)
				if k.most > pieceBytes {
					t.Errorf("a piece of %d bytes", k.most)
				}
				frame := e.Message.AppendTo(nil, stomp.V12, []byte("subscription:sub-0\n"))
				if !bytes.Contains(k.kept, frame) {
					t.Error("the frame is not what it should be")
				}
				if n := r.s.stats.Deliveries.Load(); n != 3 {
					t.Errorf("%d deliveries", n)
				}
				if len(r.watched) > 0 {
					t.Error("the socket is still watched")
				}
			})
		}
	}
}

// A push that is too large for one write only as STOMP 1.2 escapes it takes no others with it.
func TestTransferLargeByEscapes(t *testing.T) {
	r := newReaders(t, true)
	k := r.reader("ann")
	k.kept = nil
	r.hand(r.entry(bus.Record{Destination: "/topic/a", Headers: []bus.Header{{Name: "x", Value: strings.Repeat(":", 10_000)}}}, 10))
	r.push("/topic/a", 20)
	r.push("/topic/a", 10_000)
	r.run()
	checkGot(t, k, "sub-0:10, sub-0:20, sub-0:10000")
}

// The header lines of one transfer are not those of the next.
func TestTransferLines(t *testing.T) {
	r := newReaders(t, true)
	var all []*reader
	for i := range 3 {
		k := r.reader(fmt.Sprint("user", i))
		k.subscribe("/topic/b", fmt.Sprint("id-", i), "ack", "client-individual")
		k.kept, k.left = nil, 10
		all = append(all, k)
	}
	e := r.push("/topic/b", mebi)
	r.run()
	for i, k := range all {
		r.reads(k, mebi)
		r.reads(k, mebi)
		checkGot(t, k, fmt.Sprintf("id-%d:%d", i, mebi))
		if ack := fmt.Sprintf("\nack:%s.id-%d\n", e.Position, i); !bytes.Contains(k.kept[:1000], []byte(ack)) {
			t.Errorf("no %q in %q", ack, k.kept[:300])
		}
	}
}

// A push to a user, and one that waits for a client that was slow, goes the same way.
func TestTransferOfAUsersPush(t *testing.T) {
	r := newReaders(t, true)
	k := r.reader("ann")
	k.subscribe("/user/queue/x", "u")
	k.kept, k.left = nil, 30_000
	for range 3 {
		r.pushUser("ann", "/queue/x", 100_000)
	}
	r.push("/topic/a", 50_000)
	r.run()
	if !k.conn.moves || len(k.kept) != 30_000 {
		t.Fatalf("%d bytes were taken", len(k.kept))
	}
	for range 20 {
		r.reads(k, 50_000)
	}
	if got := strings.Split(k.got(), ", "); len(got) != 4 || got[0] != "u:100000" || !slices.Contains(got, "sub-0:50000") {
		t.Errorf("the client got %q", got)
	}
}

// What a client that does not read costs is far less than what it is sent.
func TestTransferMemory(t *testing.T) {
	r := newReaders(t, true)
	const clients = 2000
	for i := range clients {
		k := r.reader(fmt.Sprint("user", i))
		k.keep, k.kept, k.left = false, nil, 0
	}
	r.run()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	r.push("/topic/a", mebi)
	before := heap()
	r.run()
	for range 100 {
		r.tick()
	}
	if n := r.s.stats.Transfers.Load(); n != clients {
		t.Fatalf("%d transfers", n)
	}
	each := (int64(heap()) - int64(before)) / clients
	t.Logf("%d bytes for each", each)
	if each > 512 {
		t.Errorf("a client that does not read costs %d bytes", each)
	}
	runtime.KeepAlive(r)
}

func TestTransferAllocates(t *testing.T) {
	r := newReaders(t, true)
	for i := range 10 {
		k := r.reader(fmt.Sprint("user", i))
		k.keep = false
	}
	for _, k := range r.all {
		k.kept = make([]byte, 0, 2*mebi)
	}
	e := r.push("/topic/a", mebi)
	perDelivery(t, r.rig, 10, func() {
		for _, k := range r.all {
			k.kept = k.kept[:0]
		}
		r.again(e)
	})
}

// A frame that has begun is finished, whatever becomes of its subscription and its session; a close frame stands
// behind it.
func TestTransferOutlasts(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*readers, *reader)
		want string
	}{
		{"unsubscribe", func(_ *readers, k *reader) { k.send(stomp.Unsubscribe, "id", "sub-0", "receipt", "1") }, "receipt 1"},
		{"disconnect", func(_ *readers, k *reader) { k.send(stomp.Disconnect, "receipt", "1") }, "receipt 1, close 1000"},
		{"error", func(_ *readers, k *reader) { k.send(stomp.Subscribe, "id", "b") }, "error, close 1002"},
		{"kick", func(r *readers, k *reader) { r.s.Kick(rigProject, "", []Ref{k.conn.ref()}) }, "close 1008"},
		{"drain", func(r *readers, k *reader) { r.s.EndSome(0, 10, false, session.CloseServiceLeaves, "bye") }, "close 1012"},
		{"remove the project", func(r *readers, k *reader) { r.s.RemoveProject(rigProject); r.run() }, "close 1013"},
		{"expiry", func(r *readers, k *reader) {
			k.conn.expires = uint32(r.s.unix())
			r.s.rearm(k.conn)
			r.tick()
			r.tick()
		}, "close 1008"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReaders(t, true)
			k := r.reader("ann")
			k.kept, k.left = nil, 100_000
			e := r.entry(bus.Record{Destination: "/topic/a"}, mebi)
			e.Report = &history.Report{}
			r.hand(e)
			r.run()
			c.do(r, k)
			checkGot(t, k, "part")
			for range 100 {
				r.now += int64(100 * time.Millisecond)
				r.reads(k, 20_000)
			}
			checkGot(t, k, fmt.Sprintf("sub-0:%d, %s", mebi, c.want))
			checkReport(t, c.name, e.Report, 1, 1, 0, 0)
			checkNothingHeld(t, r, e)
		})
	}
}

func checkNothingHeld(t *testing.T, r *readers, e *history.Entry) {
	t.Helper()
	if n := r.s.stats.Transfers.Load(); n != 0 {
		t.Errorf("%d transfers", n)
	}
	if n := r.s.tenant(rigProject); n.oldest != nil || n.newest != nil {
		t.Error("a transfer is listed")
	}
	r.settings.History.EvictOlder(1 << 62)
	if held := r.settings.History.Held(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
	if !e.Taken() {
		t.Error("the push is needed")
	}
}

// A session that ends within a frame does not wait long for a client that does not read, or hardly.
func TestTransferOfAnEndedSessionIsCut(t *testing.T) {
	for name, reads := range map[string]int{"nothing": 0, "a trickle": 1000} {
		t.Run(name, func(t *testing.T) {
			r := newReaders(t, true)
			k := r.reader("ann")
			k.kept, k.left = nil, 100_000
			r.push("/topic/a", mebi)
			r.run()
			r.s.Kick(rigProject, "", []Ref{k.conn.ref()})
			most := lingerTime + mebi/closingRate*time.Second
			if reads == 0 {
				most = lingerTime
			}
			for end := r.now + int64(most+time.Second); r.now < end; {
				r.now += int64(time.Second / 2)
				if k.conn.state == stateOpen {
					r.reads(k, reads)
				}
			}
			if len(r.closed) != 1 || r.s.stats.Transfers.Load() != 0 {
				t.Errorf("%d closed, %d transfers", len(r.closed), r.s.stats.Transfers.Load())
			}
			checkGot(t, k, "part")
		})
	}
}

// A client that takes nothing within a frame is closed after slow.timeout, whatever the policy; one that takes a little
// is not.
func TestTransferSlowTimeout(t *testing.T) {
	for _, watch := range []bool{true, false} {
		for _, policy := range []Policy{Disconnect, DropOldest, KeepLatest} {
			r := newReaders(t, watch, func(s *Settings) { s.Slow = policy })
			silent, trickle := r.reader("ann"), r.reader("bob")
			for _, k := range []*reader{silent, trickle} {
				k.left = 20_000
			}
			r.push("/topic/a", mebi)
			r.run()
			for range 8 {
				r.now += int64(10 * time.Second)
				silent.send(stomp.Subscribe, "destination", "/topic/b", "id", "b")
				trickle.send(stomp.Subscribe, "destination", "/topic/b", "id", "b")
				r.reads(trickle, 100)
			}
			if len(r.closed) != 1 || r.closed[0] != silent.stubSocket || r.s.stats.SlowCloses.Load() != 1 {
				t.Errorf("policy %d: %d closed, %d of them for slowness", policy, len(r.closed), r.s.stats.SlowCloses.Load())
			}
			if !trickle.conn.moves {
				t.Errorf("policy %d: the other's transfer ended", policy)
			}
		}
	}
}

// A connection that breaks within a frame takes its transfer with it.
func TestTransferBreaks(t *testing.T) {
	for name, broken := range map[string]func(*readers, *reader){
		"a write": func(r *readers, k *reader) { k.broken = true; r.reads(k, 1000) },
		"a close": func(r *readers, k *reader) { r.close(k.stubSocket) },
		"a panic": func(r *readers, k *reader) {
			r.s.conf.Offer = func(Socket, []byte) (int, error) { panic("test") }
			r.reads(k, 1000)
		},
		"a panic of the kernel's word": func(r *readers, k *reader) {
			r.s.conf.Unsent = func(Socket) int { panic("test") }
			r.reads(k, 1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReaders(t, true)
			k, other := r.reader("ann"), r.reader("bob")
			k.left, other.kept = 20_000, nil
			e := r.entry(bus.Record{Destination: "/topic/a"}, mebi)
			e.Report = &history.Report{}
			r.hand(e)
			r.run()
			broken(r, k)
			r.run()
			checkReport(t, name, e.Report, 2, 1, 0, 1)
			checkNothingHeld(t, r, e)
			checkGot(t, other, fmt.Sprintf("sub-0:%d", mebi))
		})
	}
}

// The first piece may break the connection already, in a round, as a user's push, and of a subscription on its own.
func TestTransferBreaksAtOnce(t *testing.T) {
	r := newReaders(t, true)
	all := []*reader{r.reader("ann"), r.reader("bob"), r.reader("eve")}
	all[0].broken = true
	e := r.push("/topic/a", mebi)
	e.Report = &history.Report{}
	r.run()
	for _, k := range all[1:] {
		if !strings.HasSuffix(k.got(), fmt.Sprint("sub-0:", mebi)) {
			t.Errorf("another client got %q", k.got())
		}
	}
	all[1].subscribe("/user/queue/x", "u")
	all[1].broken = true
	r.pushUser("bob", "/queue/x", mebi)
	r.run()
	all[2].left = 10
	r.push("/topic/a", mebi)
	e = r.push("/topic/a", mebi)
	r.run()
	r.reads(all[2], mebi)
	all[2].broken = true
	r.reads(all[2], 2*mebi)
	if len(r.closed) != 3 || r.panics > 0 {
		t.Errorf("%d closed, %d panics", len(r.closed), r.panics)
	}
	checkNothingHeld(t, r, e)
}

// A push that expires while it is on its way arrives; one that has expired before does not begin.
func TestTransferExpires(t *testing.T) {
	r := newReaders(t, true)
	k := r.reader("ann")
	k.kept, k.left = nil, 20_000
	var all []*history.Entry
	for i := range int64(2) {
		e := history.NewEntry(bus.Position{Epoch: 1, Offset: i}, &bus.Record{Destination: "/topic/a", Body: make([]byte, mebi)}, r.now, r.now+int64(time.Second))
		e.Report = &history.Report{}
		r.settings.History.Append(e, 1)
		r.hand(e)
		all = append(all, e)
	}
	r.run()
	r.now += int64(2 * time.Second)
	r.reads(k, 3*mebi)
	checkGot(t, k, fmt.Sprint("sub-0:", mebi))
	checkReport(t, "begun", all[0].Report, 1, 1, 0, 0)
	checkReport(t, "not begun", all[1].Report, 1, 0, 0, 0)
}

// Answers wait behind a frame within their bound, and heart-beats are not needed there.
func TestTransferAnswers(t *testing.T) {
	r := newReaders(t, true)
	k := &reader{stubSocket: r.beating("ann"), each: math.MaxInt, left: 20_000}
	r.all[k.stubSocket] = k
	k.subscribe("/topic/a", "sub-0")
	k.kept = nil
	r.push("/topic/a", mebi)
	r.run()
	for range 20 {
		r.now += int64(time.Second)
		k.send(stomp.Subscribe, "destination", "/topic/a", "id", "sub-0")
		r.reads(k, 1000)
	}
	r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpPing, [4]byte{}, []byte("x")))
	r.reads(k, mebi)
	checkGot(t, k, fmt.Sprintf("sub-0:%d, pong", mebi))
	if k.conn.held != uint32(k.conn.holds()) {
		t.Errorf("%d bytes are counted, %d are held", k.conn.held, k.conn.holds())
	}

	k.left = 20_000
	r.push("/topic/a", mebi)
	r.run()
	for range r.s.conf.Limits.ReplyBytes/127 + 2 {
		if k.conn.state == stateOpen {
			r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpPing, [4]byte{}, make([]byte, 125)))
		}
	}
	if len(r.closed) != 1 || r.met(refusal.ReplyBytes) != 1 {
		t.Errorf("%d closed, the bound was met %d times", len(r.closed), r.met(refusal.ReplyBytes))
	}
}

// A client that takes bytes and sends nothing is there, also when pings cannot reach it.
func TestTransferIsALifeSign(t *testing.T) {
	r := newReaders(t, true)
	k := r.reader("ann")
	k.left = 20_000
	r.push("/topic/a", mebi)
	r.run()
	for range 100 {
		r.now += int64(10 * time.Second)
		r.reads(k, 1000)
	}
	if k.conn.state != stateOpen {
		t.Error("the connection was closed")
	}
}

// Pushes that history has let go of are held by those who are in the middle of them, up to a bound: beyond it who is at
// it longest is closed.
func TestTransferHeldBytes(t *testing.T) {
	r := newReaders(t, true, func(s *Settings) {
		s.History = history.NewLog(history.Bounds{Window: time.Hour, Bytes: 3 * mebi})
	})
	r.s.conf.Limits.SlowBytes = 4 * mebi
	var all []*reader
	for i := range 12 {
		user := fmt.Sprint("user", i)
		k := r.reader(user)
		k.subscribe("/user/queue/x", "u")
		k.left = 20_000
		all = append(all, k)
		r.pushUser(user, "/queue/x", mebi)
		r.run()
		if held := r.settings.History.Held(); held > 5*mebi+mebi/2 {
			t.Errorf("%d bytes are held", held)
		}
		r.tick()
		if held := r.settings.History.Held(); held > 4*mebi {
			t.Errorf("%d bytes are held after a tick", held)
		}
	}
	for i, k := range all {
		if closed := slices.Contains(r.closed, k.stubSocket); closed != (i < 7) {
			t.Errorf("client %d is closed: %t", i, closed)
		}
	}
	if n := r.met(refusal.SlowBytes); n != 7 || len(r.refusals) != 7 || r.refusals[0].Reason != refusal.SlowBytes || r.refusals[0].User != "user0" {
		t.Errorf("the bound was met %d times, reported %v", n, r.refusals)
	}
	for _, k := range all {
		if !slices.Contains(r.closed, k.stubSocket) {
			r.reads(k, 2*mebi)
		}
	}
	if held := r.settings.History.Held(); held != 0 {
		t.Errorf("%d bytes are held at the end", held)
	}
}

// A slice bounds what large pushes do in it, and another project's push does not wait for them.
func TestTransferIsFair(t *testing.T) {
	r := newReaders(t, true)
	for i := range 300 {
		k := r.reader(fmt.Sprint("user", i))
		k.keep = false
	}
	small := r.connect("zoe")
	small.subscribe("/topic/b", "sub-0")
	r.s.conf.Offer = func(_ Socket, p []byte) (int, error) {
		r.now += int64(len(p)) * microsecond / 2048 // 8 us a write's worth
		return len(p), nil
	}
	r.push("/topic/a", mebi)
	r.s.Run()
	if n := r.s.stats.Transfers.Load(); n == 0 {
		t.Fatal("no transfer has begun")
	}
	for range 20 {
		writes := small.writes
		r.push("/topic/b", 100)
		begin := r.now
		r.s.Run()
		if small.writes == writes {
			t.Fatal("a small push waits for the large one")
		}
		if took := r.now - begin; took > slice+slice/2 {
			t.Fatalf("a slice took %d us", took/microsecond)
		}
	}
	r.run()
	if n := r.s.stats.Transfers.Load(); n != 0 || r.s.stats.Deliveries.Load() != 320 {
		t.Errorf("%d transfers are left, %d deliveries", n, r.s.stats.Deliveries.Load())
	}
}
