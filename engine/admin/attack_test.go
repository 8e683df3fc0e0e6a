package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// attacked runs the whole API with room for n connections.
func attacked(t *testing.T, n int, change func(*Options)) (*Server, string) {
	t.Helper()
	h, _, _ := newTest(t, func(o *Options) {
		o.bodyGrace = time.Minute
		if change != nil {
			change(o)
		}
	})
	return serve(t, h, n)
}

// post sends the head of a request that declares length bytes.
func (c *client) post(t *testing.T, path, key string, length int) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, key, length); err != nil {
		t.Fatal(err)
	}
}

// wantServed sees that probes, metrics and pushes of chat are answered, each on a new connection.
func wantServed(t *testing.T, addr string) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		c := dial(t, addr)
		c.ask(t, path)
		c.want(t, 200)
		_ = c.Close()
	}
	c := dial(t, addr)
	const push = `{"topic":"all","payload":1}`
	c.post(t, "/v1/projects/chat/push", "chat-key", len(push))
	if _, err := io.WriteString(c, push); err != nil {
		t.Fatal(err)
	}
	c.want(t, 200)
	_ = c.Close()
}

// TestBodiesOfStrangers: who has no key and sends no body is answered at once, and its connection ends.
func TestBodiesOfStrangers(t *testing.T) {
	for _, path := range []string{"/healthz", pushPath, "/none"} {
		s, addr := attacked(t, 8, nil)
		var all []*client
		for range 8 {
			c := dial(t, addr)
			c.post(t, path, "wrong", 100)
			all = append(all, c)
		}
		wantServed(t, addr)
		for _, c := range all {
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				continue // it had to make room
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil || !r.Close {
				t.Errorf("%s: %+v, %v", path, r, err)
			}
			c.wantClosed(t)
		}
		waitFor(t, s, 0, 0)
	}
}

// TestChunkedBodyOfStranger is the same for a body without a length.
func TestChunkedBodyOfStranger(t *testing.T) {
	_, addr := attacked(t, 8, nil)
	c := dial(t, addr)
	if _, err := io.WriteString(c, "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if r := c.want(t, 405); !r.Close {
		t.Errorf("%+v", r)
	}
	c.wantClosed(t)
}

// TestExpectedBodyOfStranger: nobody without a key is asked for a body.
func TestExpectedBodyOfStranger(t *testing.T) {
	_, addr := attacked(t, 8, nil)
	c := dial(t, addr)
	if _, err := io.WriteString(c, "POST "+pushPath+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if r := c.want(t, 401); !r.Close {
		t.Errorf("%+v", r)
	}
	c.wantClosed(t)
}

// TestDeclaredBodies: batches that are declared as long as they may be, and do not come, hold next to no memory.
func TestDeclaredBodies(t *testing.T) {
	const most = 1 << 20
	s, addr := attacked(t, 64, func(o *Options) { o.BatchBytes, o.MemoryBytes = most, 4*most })
	for range 16 {
		dial(t, addr).post(t, batchPath, "shop-key", most)
	}
	waitFor(t, s, 16, 0)
	wantServed(t, addr)
	c := dial(t, addr) // their own project is served as well
	push := `{"topic":"all","payload":1}`
	c.post(t, pushPath, "shop-key", len(push))
	if _, err := io.WriteString(c, push); err != nil {
		t.Fatal(err)
	}
	c.want(t, 200)
}

// TestHoardedConnections: one project asks for more than all connections and lets none of its requests end.
func TestHoardedConnections(t *testing.T) {
	const room = 32
	s, addr := attacked(t, room, nil)
	hoard := make(chan int, 2*room)
	for range 2 * room {
		c := dial(t, addr)
		c.post(t, pushPath, "shop-key", 1000)
		go func() {
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				hoard <- 0
				return
			}
			hoard <- r.StatusCode
		}()
	}
	const share = (room - room/16) * connShare / (connShare + 1)
	refused := map[int]int{}
	for range 2*room - share {
		refused[<-hoard]++
	}
	if refused[429] == 0 || refused[429]+refused[503]+refused[0] != 2*room-share { // 0: it had to make room before it was read
		t.Errorf("answers %v", refused)
	}
	wantServed(t, addr)
	s.conns.keyed.mu.Lock()
	defer s.conns.keyed.mu.Unlock()
	if n := s.conns.keyed.of["shop"]; n != share {
		t.Errorf("the project has %d connections, want %d", n, share)
	}
}

// from connects from another address of this machine.
func from(t *testing.T, ip, addr string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, bufio.NewReader(c)}
}

// TestFloodOfStrangers: connections that never ask anything push each other out, but not those of another address, and
// not those whose key was valid.
func TestFloodOfStrangers(t *testing.T) {
	const room = 32
	s, addr := attacked(t, room, nil)
	slow := from(t, "127.0.0.3", addr)
	if _, err := io.WriteString(slow, "GET /healthz HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s, 1, 1)
	back := from(t, "127.0.0.2", addr)
	ask := func() {
		t.Helper()
		if _, err := io.WriteString(back, "GET /v1/projects/chat/stats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer chat-key\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		back.want(t, 200)
	}
	ask()
	for range 5 * room {
		from(t, "127.0.0.2", addr)
	}
	waitFor(t, s, room, room)
	ask()
	if _, err := io.WriteString(slow, "Host: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	slow.want(t, 200)
}

// deadlines remembers what is set.
type deadlines struct {
	http.ResponseWriter
	read []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

// TestBodyDeadline: the deadline of a body moves with what has come, and ends with it.
func TestBodyDeadline(t *testing.T) {
	d := &deadlines{}
	r, w := io.Pipe()
	const length = 10 * bodyRate
	b := &incoming{ReadCloser: r, out: http.NewResponseController(d), grace: bodyGrace, left: length}
	go func() { _, _ = w.Write(make([]byte, length)) }()
	buf := make([]byte, bodyRate/16)
	before := time.Now()
	for b.left > 0 {
		if _, err := b.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.read); n < 9 || n > 12 {
		t.Fatalf("%d deadlines were set", n)
	}
	if first := d.read[0].Sub(before); first < bodyGrace || first > bodyGrace+time.Second {
		t.Errorf("%s for the first bytes", first)
	}
	for i := 1; i < len(d.read)-1; i++ {
		if more := d.read[i].Sub(d.read[i-1]); more < time.Second || more > 2*time.Second {
			t.Errorf("%s more after a second's worth", more)
		}
	}
	if !d.read[len(d.read)-1].IsZero() {
		t.Error("there is a deadline after the end")
	}
}

// waiter tells when somebody begins to wait for it.
type waiter struct {
	context.Context
	waits chan bool
}

func (w waiter) Done() <-chan struct{} {
	w.waits <- true
	return w.Context.Done()
}

// TestScrapesShare: all who ask for metrics while they are gathered get the next text, which is made once.
func TestScrapesShare(t *testing.T) {
	const all = 50
	gathered := 0
	begun, goOn := make(chan bool, all), make(chan bool)
	s := &scrapes{source: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		gathered++
		begun <- true
		<-goOn
		fmt.Fprint(w, gathered)
	})}
	ctx := waiter{t.Context(), make(chan bool)}
	texts := make(chan string)
	ask := func() {
		go func() {
			one, err := s.get(ctx)
			if err != nil {
				t.Error(err)
			}
			texts <- one.text.String()
		}()
		<-ctx.waits
	}
	ask()
	<-begun
	for range all - 1 {
		ask()
	}
	close(goOn)
	got := map[string]int{}
	for range all {
		got[<-texts]++
	}
	if got["1"] != 1 || got["2"] != all-1 {
		t.Errorf("texts %v", got)
	}
}

// TestMetricsPanic: a collector that panics costs its scrape alone.
func TestMetricsPanic(t *testing.T) {
	h, _, _ := newTest(t, func(o *Options) {
		o.Gatherer = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("for the test") })
	})
	for range 2 {
		wantProblem(t, do(h, request("GET", "/metrics", "")), 500, codeInternal, "log")
	}
}

// TestShares: whoever holds all that it may leaves something for each who comes new.
func TestShares(t *testing.T) {
	s := newTestShares(120, 4)
	take := func(owner string) (n int64) {
		for s.take(owner, 1) == nil {
			n++
		}
		return n
	}
	for i, want := range []int64{96, 19, 4} {
		if n := take(fmt.Sprint(i)); n != want {
			t.Errorf("owner %d has %d, want %d", i, n, want)
		}
	}
	if p := s.take("0", 1); p.Status != 429 || !strings.Contains(p.Detail, "limits.api_things") {
		t.Errorf("%+v", p)
	}
	if p := s.take("5", 121); p.Status != 503 {
		t.Errorf("%+v", p)
	}
	if n := take("3"); n != 1 { // who has nothing may have the last
		t.Errorf("owner 3 has %d", n)
	}
	s.give("0", 96)
	if n := take("4"); n < 70 {
		t.Errorf("%d after others gave theirs back", n)
	}
	if len(s.of) != 4 {
		t.Errorf("%v", s.of)
	}
}

func newTestShares(limit, times int64) *shares {
	return newShares(limit, times, "things", "api_things", prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"reason"}))
}
