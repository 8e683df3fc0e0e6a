package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/deflate"
	"stentor/engine/shard"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// quotes is a body as back ends send them, of some n bytes.
func quotes(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := []byte("[")
	for len(b) < n {
		b = fmt.Appendf(b, `{"symbol":"%s","price":%.2f,"volume":%d,"time":"2026-11-30T15:04:%02d.%03dZ"},`, []string{"ACME", "GLOBEX", "INITECH"}[r.IntN(3)], r.Float64()*1000, r.IntN(100_000), r.IntN(60), r.IntN(1000))
	}
	return append(b[:n-1], ']')
}

// compressing has an endpoint /ws with compression, and /plain without.
func compressing(o *Options) {
	origins, _ := websocket.ParseOrigins(nil)
	o.Endpoints = []Endpoint{{Path: "/ws", Origins: origins, Compress: websocket.CompressUnlessWebKit, SockJS: true}, {Path: "/plain", Origins: origins}}
	o.packClock = func() int64 { return 1 } // no time is used up, however slow the machine is
}

// packer connects with a client that offers compression, to the endpoint at path, and subscribes.
func (n testNode) packer(t *testing.T, path string, lines ...string) *testClient {
	t.Helper()
	c := n.dial(t)
	c.write(t, websocket.AppendRequest(nil, "h", path, websocket.NewKey(), append(lines, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")...))
	c.until(t, "HTTP/1.1 101")
	c.until(t, "\r\n\r\n")
	c.send(t, stomp.Connect)
	c.until(t, "CONNECTED")
	c.send(t, stomp.Subscribe, "destination", "/topic/shop/a", "id", "1", "receipt", "s")
	c.until(t, "receipt-id:s\n")
	c.until(t, "\n\n\x00")
	return c
}

// message reads a message, and whether it was compressed.
func (c *testClient) message(t *testing.T) (message string, packed bool) {
	t.Helper()
	var r websocket.ClientReader
	r.Unpack()
	var all []byte
	for at := 0; ; {
		ev, n, err := r.Next(c.seen[at:], 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ev.Payload...)
		if at += n; ev.Final {
			c.seen = c.seen[at:]
			if ev.Packed {
				all, err = new(deflate.Inflater).Inflate(nil, all, 1<<24)
			}
			if err != nil {
				t.Fatal(err)
			}
			return string(all), ev.Packed
		}
		if n > 0 {
			continue
		}
		b := make([]byte, 64<<10)
		n, err = c.conn.Read(b)
		if c.seen = append(c.seen, b[:n]...); err != nil {
			t.Fatal(err)
		}
	}
}

// outcomes is how often the node has compressed a push, or not.
func (n testNode) outcomes() (all [packOutcomes]uint64) {
	for o := range packOutcomes {
		all[o] = n.packing.outcomes[o].Load()
	}
	return all
}

func (n testNode) push(t *testing.T, r *bus.Record) {
	t.Helper()
	done := make(chan error, 1)
	r.Project = "shop"
	n.Publish(r, func(_ bus.Position, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A push is compressed once a node, however many loops and sessions there are, and only where a session wants it and it is
// worth it. Everybody gets the same message.
func TestPushesAreCompressedOnce(t *testing.T) {
	n, stop := startNodeWith(t, nil, compressing)
	defer stop()
	plain := n.packer(t, "/plain")
	body := quotes(2048)
	n.push(t, &bus.Record{Destination: "/topic/shop/a", Body: body})
	if _, packed := plain.message(t); packed {
		t.Error("a client without compression was sent a compressed message")
	}
	if got := n.outcomes(); got != [packOutcomes]uint64{} {
		t.Errorf("without a session that wants it: %v", got)
	}

	clients := []*testClient{plain}
	for range 9 {
		clients = append(clients, n.packer(t, "/ws"))
	}
	want := [packOutcomes]uint64{}
	for name, c := range map[string]struct {
		body    []byte
		outcome packOutcome
	}{
		"JSON":          {body, packed},
		"small":         {quotes(200), packSmall},
		"just small":    {quotes(packLeast - 1), packSmall},
		"just large":    {quotes(packLeast), packed},
		"large":         {quotes(100 << 10), packed},
		"as large":      {quotes(packMost), packed},
		"too large":     {quotes(packMost + 1), packLarge},
		"random":        {noise(2048), packUseless},
		"hardly better": {append(noise(2048), make([]byte, 200)...), packUseless},
	} {
		n.push(t, &bus.Record{Destination: "/topic/shop/a", Body: c.body})
		want[c.outcome]++
		if got := n.outcomes(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		for i, client := range clients {
			message, compressed := client.message(t)
			if compressed != (i > 0 && c.outcome == packed) || !strings.HasSuffix(message, "\n\n"+string(c.body)+"\x00") {
				t.Errorf("%s: client %d: compressed %v, %.200q", name, i, compressed, message)
			}
		}
	}
	for _, r := range []*bus.Record{{Destination: "/queue/x", User: "ann", Body: body}, {Destination: "/queue/x", Session: "0", Body: body}} {
		if n.push(t, r); n.outcomes() != want {
			t.Error("a push to a user or a session was compressed")
		}
	}
	if saved := n.stat(func(s *shard.Stats) uint64 { return s.Saved.Load() }); saved < 9*(100<<10)/2 {
		t.Errorf("%d bytes were saved", saved)
	}
	for _, c := range clients[1:] {
		c.send(t, stomp.Disconnect)
		c.end(t)
	}
	n.push(t, &bus.Record{Destination: "/topic/shop/a", Body: body})
	if _, packed := plain.message(t); packed || n.project("shop").packing.Load() != 0 || n.outcomes() != want {
		t.Errorf("%d sessions want it after they have left", n.project("shop").packing.Load())
	}
}

// noise cannot be compressed, and is no UTF-8.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Clients may compress as well, and resume what was pushed compressed.
func TestCompressionBothWays(t *testing.T) {
	n, stop := startNodeWith(t, nil, compressing)
	defer stop()
	c := n.packer(t, "/ws")
	body := quotes(4000)
	frame := stomp.AppendFrame(nil, stomp.V10, &stomp.Frame{Command: stomp.Send, Headers: []stomp.Header{{Name: []byte("destination"), Value: []byte("/topic/shop/a")}}, Body: body})
	c.write(t, websocket.AppendMasked(nil, ws.OpBinary|0x40, [4]byte{1, 2, 3, 4}, new(deflate.Packer).Pack(nil, frame)))
	message, packed := c.message(t)
	if !packed || !strings.HasSuffix(message, string(body)+"\x00") {
		t.Errorf("compressed %v: %.200q", packed, message)
	}
	_, rest, _ := strings.Cut(message, "message-id:")
	id, _, _ := strings.Cut(rest, "\n")
	n.push(t, &bus.Record{Destination: "/topic/shop/a", Body: quotes(3000)})
	if _, packed = c.message(t); !packed {
		t.Error("plain")
	}
	late := n.dial(t)
	late.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey(), "Sec-WebSocket-Extensions: permessage-deflate"))
	late.until(t, "\r\n\r\n")
	late.send(t, stomp.Connect)
	late.until(t, "CONNECTED")
	late.send(t, stomp.Subscribe, "destination", "/topic/shop/a", "id", "1", "last-message-id", id, "receipt", "s")
	late.until(t, "resumed:true\n")
	late.until(t, "\n\x00")
	if message, packed = late.message(t); !packed || !strings.HasSuffix(message, string(quotes(3000))+"\x00") {
		t.Errorf("resumed, compressed %v: %.200q", packed, message)
	}
}

// SockJS has no compression, nor has WebKit.
func TestWhoIsNotCompressed(t *testing.T) {
	n, stop := startNodeWith(t, nil, compressing)
	defer stop()
	sock := n.dial(t)
	sock.write(t, websocket.AppendRequest(nil, "h", "/ws/000/abc/websocket", websocket.NewKey(), "Sec-WebSocket-Extensions: permessage-deflate"))
	sock.until(t, "\r\n\r\n")
	raw := n.packer(t, "/ws/websocket")
	n.packer(t, "/ws", "User-Agent: Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15")
	got := map[websocket.Compression]uint64{}
	for c := range websocket.Compressions {
		if sum := n.stat(func(s *shard.Stats) uint64 { return s.Compression[c].Load() }); sum > 0 {
			got[c] = sum
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(map[websocket.Compression]uint64{websocket.CompressionOff: 1, websocket.CompressionAgreed: 1, websocket.CompressionWebKit: 1}) {
		t.Errorf("%v", got)
	}
	n.push(t, &bus.Record{Destination: "/topic/shop/a", Body: quotes(1000)})
	if _, packed := raw.message(t); !packed {
		t.Error("plain at /ws/websocket")
	}
}

// A project that floods uses its part of the time, which leaves as much for others; then its pushes go out plain. The time
// comes back.
func TestTimeForCompression(t *testing.T) {
	now := int64(time.Hour)
	p := newPacking(func() int64 { return now })
	flood := func(t *project) (compressed int) {
		for range 1000 {
			if !p.allows(t) {
				continue
			}
			compressed++
			p.charge(t, int64(time.Millisecond))
		}
		return compressed
	}
	var first, second, third project
	if n := flood(&first); n != 125 {
		t.Errorf("the first project had %d ms", n)
	}
	if n := flood(&second); n != 125 {
		t.Errorf("the second had %d ms", n)
	}
	if n := flood(&third); n != 0 {
		t.Errorf("the third had %d ms", n)
	}
	for range 100 { // all three go on for 10 s
		now += int64(100 * time.Millisecond)
		for _, project := range []*project{&first, &second, &third} {
			flood(project)
		}
	}
	if share := time.Duration(p.took.Load()) - 250*time.Millisecond; share < 2400*time.Millisecond || share > 2600*time.Millisecond {
		t.Errorf("%v of 10 s were used", share)
	}
	if third.packTime.at == 0 || p.left.left > 0 {
		t.Error("the third was never asked about")
	}
	now += int64(time.Hour)
	if n := flood(&third); n != 125 {
		t.Errorf("after a pause: %d ms", n)
	}
}

// What is beyond the time, or comes while all packers are in use, is not compressed, and nobody waits.
func TestPackingNeverWaits(t *testing.T) {
	now := int64(1)
	p := newPacking(func() int64 { return now })
	var shop project
	shop.packing.Store(1)
	r := &bus.Record{Destination: "/topic/shop/a", Body: quotes(1000)}
	var used []*packer
	for range cap(p.free) {
		body, by := p.pack(&shop, r)
		if body == nil {
			t.Fatal("not compressed")
		}
		used = append(used, by)
	}
	if body, by := p.pack(&shop, r); body != nil || by != nil || p.outcomes[packBusy].Load() != 1 {
		t.Error("compressed without a packer")
	}
	for _, by := range used {
		p.done(by)
	}
	p.charge(&shop, int64(time.Second))
	if body, by := p.pack(&shop, r); body != nil || by != nil || p.outcomes[packLimited].Load() != 1 {
		t.Error("compressed without time")
	}
	var other project
	other.packing.Store(1)
	p.left.left = 1
	body, by := p.pack(&other, r)
	if body == nil {
		t.Fatal("another project has no time")
	}
	p.done(by)
	p.left.left, other.packTime.left = 1e9, 1e9
	if n := testing.AllocsPerRun(20, func() {
		p.left.left, other.packTime.left = 1e9, 1e9
		_, by := p.pack(&other, r)
		p.done(by)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// While a push is compressed, other publishers of its project go on: some of them are loops.
func TestNobodyWaitsForCompression(t *testing.T) {
	n, stop := startNodeWith(t, nil, compressing)
	defer stop()
	c := n.packer(t, "/ws")
	working, goOn := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	n.packing.now = func() int64 {
		if asked.Add(1) == 2 { // compression begins
			close(working)
			<-goOn
		}
		return n.now()
	}
	slow := make(chan error, 1)
	n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/other", Body: []byte("x")}, func(_ bus.Position, err error) { slow <- err })
	if err := <-slow; err != nil || asked.Load() != 0 {
		t.Fatal(err)
	}
	go n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: quotes(2000)}, func(_ bus.Position, err error) { slow <- err })
	<-working
	quick := make(chan error, 1)
	go n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: []byte("meanwhile")}, func(_ bus.Position, err error) { quick <- err })
	select {
	case err := <-quick:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a push waits for the compression of another one")
	}
	close(goOn)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"\n\nmeanwhile\x00", string(quotes(2000)) + "\x00"} {
		if message, _ := c.message(t); !strings.HasSuffix(message, want) {
			t.Errorf("%.200q, want %.20q", message, want)
		}
	}
}
