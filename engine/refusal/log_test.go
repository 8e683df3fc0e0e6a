package refusal

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// output is a log's reader.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// after returns what was written once the goroutine of l has ended.
func (o *output) after(l *Log) string {
	for {
		l.mu.Lock()
		idle := !l.writing
		l.mu.Unlock()
		if idle {
			break
		}
		time.Sleep(time.Millisecond)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func newTestLog() (*Log, *output) {
	o := &output{}
	l := NewLog(slog.New(slog.NewTextHandler(o, nil)))
	l.now = func() int64 { return int64(time.Hour) }
	return l, o
}

var ann = netip.MustParseAddrPort("192.0.2.7:1234")

func TestLine(t *testing.T) {
	l, out := newTestLog()
	l.Refuse(Record{Reason: SubscribeForbidden, Project: "shop", User: "ann", Address: ann, Subject: "/topic/x", Text: "not yours"})
	l.Refuse(Record{Reason: Slow, Code: 1, Address: netip.MustParseAddrPort("[::]:0")})
	l.Refuse(Record{Reason: Origin, Address: netip.MustParseAddrPort("[::ffff:192.0.2.8]:0")})
	l.Refuse(Record{Reason: Path})
	text := out.after(l)
	for _, want := range []string{
		`level=INFO msg=refused reason=subscribe_forbidden code=1002 project=shop user=ann address=192.0.2.7:1234 subject=/topic/x text="not yours"` + "\n",
		"msg=refused reason=slow code=1 address=unix\n",
		"msg=refused reason=origin code=403 address=192.0.2.8\n",
		"msg=refused reason=path code=404\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if l.Count(Origin) != 1 || l.Count(ProxyInvalid) != 0 {
		t.Error("counts are wrong")
	}
}

// TestLineIsClean: what a client wrote neither ends a line, nor fills it, nor moves a terminal's cursor.
func TestLineIsClean(t *testing.T) {
	for _, handler := range []func(*output) slog.Handler{
		func(o *output) slog.Handler { return slog.NewTextHandler(o, nil) },
		func(o *output) slog.Handler { return slog.NewJSONHandler(o, nil) },
	} {
		o := &output{}
		l := NewLog(slog.New(handler(o)))
		l.Refuse(Record{Reason: Path, Subject: "/a\nlevel=INFO msg=forged\x1b[31m\u202e\xff" + strings.Repeat("ü", 1<<20)})
		text := o.after(l)
		if strings.Count(text, "\n") != 1 || len(text) > 1024 || strings.ContainsAny(text, "\x1b\u202e") || !utf8.ValidString(text) {
			t.Errorf("%q", text)
		}
	}
}

// TestFloodHidesNothing: however often one client, or many, are refused for one reason, others have their lines.
func TestFloodHidesNothing(t *testing.T) {
	l, out := newTestLog()
	flood := func(from netip.AddrPort) {
		l.Refuse(Record{Reason: FrameRate, Project: "evil", User: "eve", Address: from})
	}
	for range 100_000 {
		flood(ann)
	}
	flood(netip.MustParseAddrPort("192.0.2.9:1"))
	l.Refuse(Record{Reason: FrameRate, Project: "evil", User: "bob", Address: ann})
	for i := range 10_000 {
		flood(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1))
	}
	l.Refuse(Record{Reason: FrameRate, Project: "shop", User: "ann", Address: ann})
	l.Refuse(Record{Reason: SendForbidden, Project: "evil", User: "eve", Address: ann})
	text := out.after(l)
	if lines := strings.Count(text, "\n"); lines != burst+2 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{
		"address=192.0.2.9:1 suppressed=99999\n", // one client left room for another
		"project=evil user=bob",
		"project=shop user=ann",
		"reason=send_forbidden code=1002 project=evil user=eve",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if l.Count(FrameRate) != 110_003 {
		t.Errorf("%d are counted", l.Count(FrameRate))
	}
}

// TestGate: times, in ns.
func TestGate(t *testing.T) {
	var g gates
	second := int64(time.Second)
	pass := func(client uint64, now int64) bool { _, ok := g.pass("p", client, now); return ok }
	for i := range uint64(burst) {
		if !pass(i+1, second) {
			t.Fatalf("line %d does not pass", i)
		}
	}
	if pass(100, second) {
		t.Error("a line passes above the burst")
	}
	if pass(1, 3*second) {
		t.Error("a client has two lines within its pause")
	}
	if suppressed, ok := g.pass("p", 100, 3*second); !ok || suppressed != 2 {
		t.Errorf("passes %v with %d suppressed, want true with 2", ok, suppressed)
	}
	if !pass(1, 7*second) || !pass(0, 7*second) || !pass(0, 7*second) {
		t.Error("a line does not pass that should")
	}
}

// TestGatesAreBounded: projects beyond the bound share a gate until others rest.
func TestGatesAreBounded(t *testing.T) {
	var g gates
	for i := range 10 * mostGates {
		g.pass(fmt.Sprint(i), 0, 1)
	}
	if len(g.of) > mostGates+1 {
		t.Errorf("%d gates", len(g.of))
	}
	later := 100 * int64(time.Second)
	if _, ok := g.pass("new", 0, later); !ok || g.of["new"] == nil {
		t.Error("gates that rest are not forgotten")
	}
}

// TestReaderIsNotWaitedFor: nobody waits for who reads the log, and what does not fit is said later.
func TestReaderIsNotWaitedFor(t *testing.T) {
	o := &output{}
	o.mu.Lock()
	l := NewLog(slog.New(slog.NewTextHandler(o, nil)))
	for i := range 4 * mostWaiting {
		for r := None + 1; r < Reasons; r++ {
			l.Refuse(Record{Reason: r, Project: fmt.Sprint(i % 200)})
		}
	}
	l.mu.Lock()
	if len(l.waiting) > mostWaiting {
		t.Errorf("%d lines wait", len(l.waiting))
	}
	l.mu.Unlock()
	o.mu.Unlock()
	o.after(l)
}

func TestFloodAllocatesNothing(t *testing.T) {
	l, _ := newTestLog()
	r := Record{Reason: Origin, Project: "shop", User: "ann", Address: ann, Subject: "https://a.example", Text: "no"}
	for range 2 * burst {
		l.Refuse(r)
	}
	if n := testing.AllocsPerRun(1000, func() { l.Refuse(r) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRefuse(b *testing.B) {
	l, _ := newTestLog()
	b.RunParallel(func(pb *testing.PB) {
		r := Record{Reason: Origin, Project: "shop", User: "ann", Address: ann, Subject: "https://a.example", Text: "no"}
		for pb.Next() {
			l.Refuse(r)
		}
	})
}
