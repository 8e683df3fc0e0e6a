package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/internal/fake"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/engine/testkit"
)

// TestMain turns the test binary into the nodes that a run starts.
func TestMain(m *testing.M) { fake.Main(m) }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testBench(t *testing.T, only ...string) (*bench, *fake.Topics) {
	t.Helper()
	m := fake.NewTopics(t)
	o := Options{
		Options: suite.Options{Stentor: os.Args[0], Connections: 90, Progress: &bytes.Buffer{}, Only: only},
		Brokers: []string{m.BootstrapServers()},
	}
	const ms = time.Millisecond
	p := plan{
		choices: 1000, samples: 1, kills: 1, silences: 1, warm: 100 * ms, before: 300 * ms, after: 200 * ms,
		window: 50 * ms, away: 100 * ms, stage: 50 * ms, settle: 50 * ms, patience: 20 * time.Second,
	}
	b, err := begin(bounded(t), o, p, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.registry, b.kafka = fakeRegistry, new(fakeBroker)
	b.level = func(_ context.Context, n *nodes, _ time.Duration) error { // as much as one node has
		n.end(n.list()[0], n.list()[0].Kill)
		_, err := n.start(0, n.config)
		return err
	}
	return b, m
}

// fakeRegistry names all nodes in any order, the dead ones too, as a registry does until a lease has run out.
func fakeRegistry(ctx context.Context, _ server.RegistryConfig, n *nodes) (*registry, context.Context, error) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var urls []string
		for _, s := range n.list() {
			urls = append(urls, "ws://"+s.Client.String()+server.Path)
		}
		rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
		text, _ := json.Marshal(map[string]any{"endpoints": urls, "ttl_ms": 10000, "spread_ms": 20})
		w.Write(text)
	}))
	return &registry{h.URL, nil, h.Close}, ctx, nil
}

// fakeBroker only counts.
type fakeBroker struct{ times int }

func (b *fakeBroker) away(context.Context) error { b.times++; return nil }
func (b *fakeBroker) back() error                { b.times++; return nil }

func TestRun(t *testing.T) {
	all := []string{"choices", "kill", "rolling", "rebalance", "registry", "brokers"}
	b, m := testBench(t, all...)
	if err := b.measure(bounded(t)); err != nil {
		t.Fatal(err, b.Options.Progress)
	}
	if len(b.Report.Results) != 3+5+5+5+4+4 || len(m.Removed) != len(all)*(2+nodeCount)+1 {
		t.Errorf("%d results, removed %q", len(b.Report.Results), m.Removed)
	}
	for _, x := range b.Report.Results {
		if x.Unit == "" && (x.Value != 0 || !x.Pass) {
			t.Errorf("something was lost: %+v", x)
		}
		if strings.HasPrefix(x.Name, "until") && x.Value <= 0 || strings.HasPrefix(x.Name, "a client is away") && x.Details[2].Value < 90 {
			t.Errorf("nobody came back: %+v", x)
		}
	}
	if n := b.kafka.(*fakeBroker).times; n != 2 || len(b.Report.Notes) > 0 {
		t.Errorf("Kafka was ended and started %d times; %q", n, b.Report.Notes)
	}
}

// What cannot be measured is said.
func TestNotMeasured(t *testing.T) {
	b, _ := testBench(t, "silent", "brokers")
	b.kafka, b.Brokers = nil, []string{"10.0.0.1:9092"}
	if err := b.measure(bounded(t)); err != nil || len(b.Report.Notes) != 2 || len(b.Report.Results) > 0 {
		t.Errorf("%v, %q", err, b.Report.Notes)
	}
}

// What ends a measurement is told, and Kafka is left as it was.
func TestFailure(t *testing.T) {
	b, m := testBench(t)
	broken := errors.New("broken")
	if err := b.withNodes(bounded(t), "test", setup{}, func(context.Context, *nodes) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if len(m.Removed) != 2+nodeCount {
		t.Errorf("removed %q", m.Removed)
	}
}

// A node that ends by itself ends the measurement.
func TestNodeEnds(t *testing.T) {
	b, _ := testBench(t)
	err := b.withNodes(bounded(t), "test", setup{}, func(ctx context.Context, n *nodes) error {
		n.list()[1].Kill()
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "the server ended (signal: killed)") {
		t.Errorf("error %v", err)
	}
}

// Clients that were told of a gap, that are not back, or that a living node disconnected end the run.
func TestWrongReturns(t *testing.T) {
	for name, c := range map[string]struct{ away, stay client.Counts }{
		"a gap":                {away: client.Counts{Resumed: 9, Gaps: 1}},
		"one that is not back": {away: client.Counts{Resumed: 9}},
		"one that was cut":     {away: client.Counts{Resumed: 10}, stay: client.Counts{Failures: map[string]int{"read: reset": 1}}},
	} {
		if err := new(losses).add(c.away, c.stay, sample{orphans: 10}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A client that has lost its node tries the addresses that it is told in their order, the lost one last, and then asks again.
func TestHoming(t *testing.T) {
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	asked := 0
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprint(w, `{"endpoints":["ws://127.0.0.1:1/ws","ws://127.0.0.1:2/ws","ws://127.0.0.1:3/ws"]}`)
	}))
	defer r.Close()
	h := newHoming(1, func(int) netip.AddrPort { return at(1) }, r.URL)
	opened := 0
	h.opens = func(int, time.Time) { opened++ }
	a := &asking{from: askFrom(0), open: map[string]*asker{}}
	defer a.close()
	if got := h.next(0); got != at(1) {
		t.Errorf("first at %v", got)
	}
	var ports []uint16
	for i := range 4 {
		h.over(0, client.Loss{Open: i == 0})
		h.attempt(t.Context(), a, <-h.queue)
		if i%3 == 0 {
			h.attempt(t.Context(), a, <-h.queue) // with the answer
		}
		ports = append(ports, h.next(0).Port())
	}
	if want := []uint16{2, 3, 1, 2}; !slices.Equal(ports, want) || asked != 2 || opened != 4 {
		t.Errorf("%d, want %d; asked %d times", ports, want, asked)
	}
	if all, again := h.moves(); all != 1 || again != 0 {
		t.Errorf("%d moves, %d again", all, again)
	}
}

func TestRetry(t *testing.T) {
	for reason, want := range map[string]time.Duration{
		"retry=250 the node is stopping": 250 * time.Millisecond, "retry=7": 7 * time.Millisecond, "": 0, "retry=x": 0, "retry=-5 a": 0, "bye": 0,
	} {
		if got := retry(reason); got != want {
			t.Errorf("%q: %v, want %v", reason, got, want)
		}
	}
}

// The busiest second of a node is found among those of all.
func TestBusiest(t *testing.T) {
	h, from := newHoming(1, nil), time.Now()
	for i, ms := range []int{0, 500, 999, 1000, 1900, 5000} {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(i/5))
		h.arrivals[to] = append(h.arrivals[to], from.Add(time.Duration(ms)*time.Millisecond))
	}
	if n := h.busiest(); n != 3 {
		t.Error(n)
	}
}

// What is on an island is reached until the silence, and then nobody hears of anything: neither here nor there.
func TestIsland(t *testing.T) {
	i, err := newIsland()
	if err != nil {
		testkit.Missing(t, "as root, with iproute2, which tuning/deps.sh installs: "+err.Error())
	}
	defer i.close()
	broker, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	go func() {
		for c, err := broker.Accept(); err == nil; c, err = broker.Accept() {
			go io.Copy(c, c)
		}
	}()
	if err := i.reach(broker.Addr().String()); err != nil {
		t.Fatal(err)
	}
	var there net.Listener
	var inside net.Conn
	if err := i.do(func() (err error) {
		if there, err = net.Listen("tcp4", netip.AddrPortFrom(i.far, 0).String()); err == nil {
			inside, err = net.Dial("tcp4", broker.Addr().String())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	defer inside.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := there.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(i.shores[5], 0))}
	outside, err := d.DialContext(t.Context(), "tcp4", there.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	on := <-accepted
	defer on.Close()
	echo := func(to, from net.Conn) (string, error) {
		b := make([]byte, 5)
		if _, err := to.Write([]byte("hello")); err != nil {
			return "", err
		}
		from.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := io.ReadFull(from, b)
		return string(b[:n]), err
	}
	for name, ends := range map[string][2]net.Conn{"to the island": {outside, on}, "from the island to the broker": {inside, inside}} {
		if got, err := echo(ends[0], ends[1]); got != "hello" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := i.silence(); err != nil {
		t.Fatal(err)
	}
	for name, ends := range map[string][2]net.Conn{"to the island": {outside, on}, "from the island to the broker": {inside, inside}} {
		if _, err := ends[0].Write([]byte("hello")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ends[1].SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if n, err := ends[1].Read(make([]byte, 5)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	a, err := parseAnswer([]byte(`{"endpoints":["ws://127.0.0.1:81/ws","ws://127.0.0.1:82/ws"],"ttl_ms":1,"spread_ms":250}`))
	if err != nil || fmt.Sprint(a.to) != "[127.0.0.1:81 127.0.0.1:82]" || a.spread != 250*time.Millisecond {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range []string{``, `{}`, `{"endpoints":["ws://name/ws"]}`} {
		if _, err := parseAnswer([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestFurthest(t *testing.T) {
	if got := furthest([]float64{90, 100, 110}); got != 10 {
		t.Error(got)
	}
	if got := furthest([]float64{0, 100}); got != 100 {
		t.Error(got)
	}
}
