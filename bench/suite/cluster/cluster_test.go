package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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
)

// TestMain turns the test binary into the nodes that a run starts.
func TestMain(m *testing.M) { fake.Main(m) }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testBench(t *testing.T) (*bench, *fake.Topics) {
	t.Helper()
	m := fake.NewTopics(t)
	o := Options{
		Options: suite.Options{Stentor: os.Args[0], Connections: 90, Progress: &bytes.Buffer{}},
		Brokers: []string{m.BootstrapServers()},
	}
	const ms = time.Millisecond
	p := plan{choices: 1000, samples: 1, kills: 1, warm: 100 * ms, before: 300 * ms, after: 200 * ms, patience: 20 * time.Second}
	b, err := begin(bounded(t), o, p, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.registry = fakeRegistry
	return b, m
}

// fakeRegistry names all nodes in any order, the dead ones too, as a registry does until a lease has run out.
func fakeRegistry(ctx context.Context, _ server.RegistryConfig, n *nodes) (string, context.Context, func(), error) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var urls []string
		for _, s := range n.all {
			urls = append(urls, "ws://"+s.Client.String()+server.Path)
		}
		rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
		text, _ := json.Marshal(map[string]any{"endpoints": urls, "ttl_ms": 10000, "spread_ms": 20})
		w.Write(text)
	}))
	return h.URL, ctx, h.Close, nil
}

func TestRun(t *testing.T) {
	b, m := testBench(t)
	if err := b.measure(bounded(t)); err != nil {
		t.Fatal(err, b.Options.Progress)
	}
	if len(b.Report.Results) != 8 || len(m.Removed) != 2*(2+nodeCount) {
		t.Errorf("%d results, removed %q", len(b.Report.Results), m.Removed)
	}
	for _, x := range b.Report.Results {
		if x.Unit == "" && (x.Value != 0 || !x.Pass) {
			t.Errorf("something was lost: %+v", x)
		}
		if strings.HasPrefix(x.Name, "until") && (x.Value <= 0 || x.Details[2].Value == 0) {
			t.Errorf("nobody came back, or nobody tried the dead node: %+v", x)
		}
	}
}

// What ends a measurement is told, and Kafka is left as it was.
func TestFailure(t *testing.T) {
	b, m := testBench(t)
	broken := errors.New("broken")
	if err := b.withNodes(bounded(t), "test", func(context.Context, *nodes) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if len(m.Removed) != 2+nodeCount {
		t.Errorf("removed %q", m.Removed)
	}
}

// Clients that were told of a gap, that are not back, or that a living node disconnected end the run.
func TestWrongReturns(t *testing.T) {
	for name, c := range map[string]struct{ away, stay client.Counts }{
		"a gap":                {away: client.Counts{Resumed: 9, Gaps: 1}},
		"one that is not back": {away: client.Counts{Resumed: 9}},
		"one that was cut":     {away: client.Counts{Resumed: 10}, stay: client.Counts{Failures: map[string]int{"read: reset": 1}}},
	} {
		if err := new(kills).add(c.away, c.stay, 0, sample{orphans: 10}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRoute(t *testing.T) {
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	r := newRoute(at(1))
	r.add(answer{to: []netip.AddrPort{at(1), at(2)}})
	var got []uint16
	take := func(number int) { got = append(got, r.next(number).Port()) }
	take(7) // home
	take(7) // of the answer the first, then the second
	take(7)
	r.add(answer{to: []netip.AddrPort{at(3), at(4)}})
	take(7)
	r.connected(7)
	r.add(answer{to: []netip.AddrPort{at(5)}})
	take(7)
	take(7) // nothing is left
	if want := []uint16{1, 1, 2, 3, 5, 1}; !slices.Equal(got, want) {
		t.Errorf("%d, want %d", got, want)
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
