package page

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

var dir = flag.String("page.dir", "", "write the pages of the samples, and their JSON, to this folder, to look at them")

func write(t *testing.T, runs ...Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, runs...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// has checks that text has each of the pieces, in this order.
func has(t *testing.T, text string, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		_, after, ok := strings.Cut(text, p)
		if !ok {
			t.Errorf("no %q, or not where it belongs", p)
			continue
		}
		text = after
	}
}

func hasNot(t *testing.T, text string, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		if strings.Contains(text, p) {
			t.Errorf("there is a %q", p)
		}
	}
}

// titles are those of the charts, in order.
func titles(page string) (all []string) {
	for _, m := range regexp.MustCompile(`<figcaption><b>([^<]*)</b>`).FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestGoodRun(t *testing.T) {
	text := write(t, Run{"a", demo(t, 2000, 1)})
	has(t, text, "<!DOCTYPE html>", "<h1>reconnect</h1>", "14 March 2026, 15:09:26 UTC, 2 min 30 s",
		`class="verdict good"`, "Good: all 200,000 messages came once", "failed ", "connect: connection refused", "<dd>2,000<small>most at a time",
		"<caption>Messages</caption>", "3 push", "whole run", "<caption>Checked</caption>", "<caption>Connections</caption>", "<caption>Server</caption>",
		"<caption>Load generators</caption>", "load-1", "AMD EPYC 7B13", "<caption>Settings</caption>", "push-url", "</html>")
	want := "Connections|Failures a second, by cause|Deliveries a second|Latency of deliveries|Latency of deliveries, by percentile|Time to connect, by percentile|" +
		"Server memory|Server memory per connection|Server CPU"
	if got := strings.Join(titles(text), "|"); got != want {
		t.Errorf("charts %s, want %s", got, want)
	}
	hasNot(t, text, "ZgotmplZ", "NaN", "Inf", "<script", "beside each other")
}

// The page must show without a network, and no part of it may run.
func TestNothingFromElsewhere(t *testing.T) {
	text := write(t, Run{"a", demo(t, 100, 1)}, Run{"b", demo(t, 200, 1)})
	has(t, text, `content="default-src 'none'; style-src 'unsafe-inline'"`)
	if m := regexp.MustCompile(`(?i)(src|href|xlink:href)=["'][^#"'][^"']*|url\(|@import|<link|<script|<img|<iframe`).FindString(text); m != "" {
		t.Errorf("the page refers to %q", m)
	}
}

func TestBadRun(t *testing.T) {
	r := demo(t, 2000, 1)
	r.Phases[2].Order = measure.Order{Lost: 12345, Misrouted: 1}
	r.Phases[4].HeartbeatsMissed, r.Series[130].HeartbeatsMissed = 47, 47
	r.Phases[4].NotResumed = 1
	r.Judge("load-2 went away")
	text := write(t, Run{"a", r})
	has(t, text, `class="verdict bad"`, "Not good: 3 problems", "load-2 went away", "12345 messages lost", "1 messages delivered to the wrong",
		"47 heart-beats of the server were missed", "1 subscription could not be resumed", "Heart-beats missed a second", `<td class="bad">12,345</td>`)
	r.Verdict = result.Verdict{Problems: []string{"the server went away"}}
	has(t, write(t, Run{"a", r}), "Not good: the server went away</strong>")
	r.Verdict = result.Verdict{}
	has(t, write(t, Run{"a", r}), "Not good: the run has no verdict")
}

// Whatever a setting, a host, a phase, a label or a cause holds is text.
func TestEscape(t *testing.T) {
	const evil = `"><script>alert(1)</script><b a='`
	r := demo(t, 100, 1)
	r.Scenario, r.Settings[evil], r.Settings["body"] = evil, "x", evil
	r.Generators[0].Host, r.Generators[0].Machine.Processor = evil, evil
	r.Phases[2].Name = evil
	r.Phases[4].Failures = map[string]int64{evil: 3}
	r.Series[120].Failures = map[string]int64{evil: 3}
	r.Judge(evil, "another")
	for name, text := range map[string]string{"one": write(t, Run{evil, r}), "several": write(t, Run{evil, r}, Run{evil, r})} {
		if strings.Contains(text, "<script") || strings.Contains(text, "<b a=") {
			t.Errorf("%s: markup got through", name)
		}
		if n := strings.Count(text, "alert(1)"); n < 8 {
			t.Errorf("%s: it is shown %d times only", name, n)
		}
		hasNot(t, text, "ZgotmplZ")
	}
}

func TestSoak(t *testing.T) {
	text := write(t, Run{"a", soak(t, 8*3600)})
	if len(text) > 120_000 {
		t.Errorf("the page of a run of 8 hours has %d bytes", len(text))
	}
	// The one bad second of 28,800 is in the legends, and so in the lines' scales: chart.TestThin has the rest.
	has(t, text, "Connections</b> <small>each point stands for 48 s", "max 123k", "Latency of deliveries</b> <small>each point stands for 48 s: the worst", "max 7.65 s")
}

func TestSeveral(t *testing.T) {
	a, b := demo(t, 1000, 1), demo(t, 1000, 7)
	b.Settings["server"] = "ws://10.0.0.6:8080/ws"
	b.Phases[2].Order.Lost = 3
	b.Judge()
	text := write(t, Run{"stentor", a}, Run{"spring", b})
	has(t, text, "2 runs beside each other", "Good: all", "Not good: 3 messages lost", "spring (× stentor)", `<td class="good">good`, `<td class="bad">not good`,
		"latency p99", " ×</small>", "phase open", "phase push", "<caption>Settings that differ", "10.0.0.5", "10.0.0.6", `id="run-0"`, `id="run-1"`)
	hasNot(t, text, "phase hold", "ZgotmplZ", "NaN")
	got := strings.Join(titles(text)[:8], "|")
	if want := "Connections|Deliveries a second|Latency of deliveries, p99|Latency of deliveries, max|Latency of deliveries, by percentile|" +
		"Time to connect, by percentile|Server memory|Server CPU"; got != want {
		t.Errorf("charts %s, want %s", got, want)
	}
}

// Results that lack things make a page that lacks them.
func TestLittle(t *testing.T) {
	for name, r := range map[string]*result.Result{
		"nothing":     {Format: result.Format},
		"no series":   {Format: result.Format, Phases: []result.Phase{{Name: "open", Seconds: 1}}},
		"no duration": {Format: result.Format, Phases: []result.Phase{{Name: "open"}}, Series: []result.Second{{}, {}}},
		"server gone": {Format: result.Format, Seconds: 4, Series: []result.Second{
			{At: 1, Server: &result.Server{CPUSeconds: 50, RSS: 1}}, {At: 2}, {At: 3, Server: &result.Server{CPUSeconds: 1}},
		}, Phases: []result.Phase{{Name: "open", Seconds: 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := write(t, Run{"a", r}) + write(t, Run{"a", r}, Run{"b", r})
			hasNot(t, text, "NaN", "Inf", "ZgotmplZ")
		})
	}
}

func TestErrors(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b); err == nil {
		t.Error("no error without a run")
	}
	if err := Write(&b, Run{"a", &result.Result{Format: 7}}); err == nil || !strings.Contains(err.Error(), "a: the result has format 7") {
		t.Errorf("another format: %v", err)
	}
	r := demo(t, 100, 1)
	r.Phases[2].Latency.Histogram = "HISTFAAA"
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, Run{"a", r}); err == nil || !strings.Contains(err.Error(), "phase push") {
		t.Errorf("a broken histogram: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "before" {
		t.Error("a page that could not be drawn has replaced an older one")
	}
}

func TestServerCPU(t *testing.T) {
	p := &report{server: []sample{{1, result.Server{CPUSeconds: 1}}, {2, result.Server{CPUSeconds: 3}}, {4, result.Server{CPUSeconds: 4}}, {5, result.Server{CPUSeconds: 1}}}}
	if v, ok := p.cpu(2, 4); v != 1 || !ok {
		t.Errorf("%v, %v", v, ok)
	}
	if _, ok := p.cpu(2, 5); ok {
		t.Error("a server that started anew has a CPU time")
	}
	if _, ok := p.cpu(10, 12); ok {
		t.Error("a time without samples has a CPU time")
	}
	c := p.cores()
	if len(c) != 3 || c[0].v != 2 || c[1].v != 0.5 || c[2].v == c[2].v {
		t.Errorf("cores %v", c)
	}
}

func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		whole(0): "0", whole(999): "999", whole(-1234567): "-1,234,567", short(9999): "9,999", short(12345): "12.3k", short(2e6): "2M", short(0.25): "0.25", short(8161.4): "8,161", short(1.5e9): "1.5G",
		micros(7): "7 µs", micros(1234): "1.23 ms", micros(200000): "200 ms", micros(7654321): "7.65 s", size(512): "512 B", size(20 << 10): "20 KiB", size(1.5 * (1 << 30)): "1.5 GiB",
		each(1023.6): "1,024 B", each(1 << 20): "1 MiB", length(4.25): "4.25 s", length(200): "3 min 20 s", length(28800): "8 h 0 min", times(3, 2): "1.5 ×", times(3, 0): "",
		day(time.Unix(0, 0)): "1 January 1970, 00:00:00 UTC",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLook(t *testing.T) {
	if *dir == "" {
		t.Skip("only with -page.dir")
	}
	bad := demo(t, 20000, 1)
	bad.Phases[2].Order = measure.Order{Lost: 12, Misrouted: 1}
	bad.Phases[4].HeartbeatsMissed, bad.Series[130].HeartbeatsMissed, bad.Series[131].HeartbeatsMissed = 47, 40, 7
	bad.Judge()
	for name, runs := range map[string][]Run{
		"one": {{"a", demo(t, 100000, 1)}}, "bad": {{"a", bad}}, "soak": {{"a", soak(t, 28800)}},
		"two": {{"stentor", demo(t, 15000, 1)}, {"spring", demo(t, 15000, 7)}},
	} {
		if err := WriteFile(filepath.Join(*dir, name+".html"), runs...); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(runs[0].Result)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*dir, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The last second of a run is cut off anywhere: what came in a hundredth of it is no rate.
func TestRateOfCutSecond(t *testing.T) {
	second := func(at float64, n int64) result.Second {
		return result.Second{At: at, Totals: result.Totals{Delivered: n}}
	}
	for name, c := range map[string]struct {
		all  []result.Second
		want float64
		n    int
	}{
		"whole":       {[]result.Second{second(1, 100), second(2, 120)}, 120, 2},
		"cut":         {[]result.Second{second(1, 100), second(2, 100), second(2.01, 50)}, 150 / 1.01, 2},
		"only a part": {[]result.Second{second(0.01, 100)}, 200, 1},
		"long":        {[]result.Second{second(1, 100), second(3, 400)}, 200, 2},
	} {
		most, n := 0.0, 0
		for p := range perSecond(c.all, func(s *result.Second) int64 { return s.Delivered }) {
			most, n = max(most, p.Y), n+1
		}
		if d := most - c.want; d > 1e-9 || d < -1e-9 || n != c.n {
			t.Errorf("%s: at most %v in %d points, want %v in %d", name, most, n, c.want, c.n)
		}
	}
	p := &report{server: []sample{{1, result.Server{}}, {2, result.Server{CPUSeconds: 1}}, {2.01, result.Server{CPUSeconds: 2}}}}
	if c := p.cores(); len(c) != 1 || c[0].v != 1 {
		t.Errorf("cores %v", c)
	}
}

// What a server had before the run is no connection's.
func TestMemoryPerConnection(t *testing.T) {
	one := sample{1, result.Server{Connections: 110, RSS: 30 << 20}}
	p := &report{result: &result.Result{}, server: []sample{one}}
	if v, ok := p.perConnection(); !ok || v != float64(30<<20)/110 || p.memoryNote() != "all of it, divided" {
		t.Errorf("%v, %v, %s: a result of old", v, ok, p.memoryNote())
	}
	p.result.Before = &result.Server{Connections: 10, RSS: 20 << 20}
	if v, ok := p.perConnection(); !ok || v != float64(10<<20)/100 || p.memoryNote() != "beyond the 20 MiB before the run" {
		t.Errorf("%v, %v, %s", v, ok, p.memoryNote())
	}
	p.result.Before.RSS = 31 << 20
	if v, ok := p.perConnection(); ok {
		t.Errorf("less memory than before: %v a connection", v)
	}
	g := generators(&result.Result{Generators: []result.Generator{{Connections: 1000, MostRSS: 12 << 20, BaseRSS: 10 << 20}}})
	if got := fmt.Sprint(g.Rows); !strings.Contains(got, "2.05 KiB") && !strings.Contains(got, "2,097 B") {
		t.Errorf("%s", got)
	}
}
