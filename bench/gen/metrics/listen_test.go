package metrics

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

func TestExporter(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := measure.NewLatency()
	l.Record(500 * time.Microsecond)
	l.Record(30 * time.Millisecond)
	l.Record(3 * time.Minute)
	came, err := result.NewLatency(l)
	if err != nil {
		t.Fatal(err)
	}
	totals := result.Totals{Opened: 5, Pushed: 2, Delivered: 6, Order: measure.Order{Lost: 4}, Failures: map[string]int64{"a\xff": 1, "a\xfe": 2}}
	for at := range 2 {
		e.Second("push", totals, result.Second{At: float64(at), Connected: 3, Slow: 1, Latency: came})
	}
	answer, err := http.Get("http://" + e.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`stentor_bench_connections{state="open"} 3`, `stentor_bench_phase{phase="push"} 1`, "stentor_bench_opened_total 5", "stentor_bench_deliveries_total 6",
		`stentor_bench_messages_wrong_total{kind="lost"} 4`, `stentor_bench_failures_total{cause="a�"} 3`,
		`stentor_bench_delivery_latency_seconds_bucket{le="0.001"} 2`, `stentor_bench_delivery_latency_seconds_bucket{le="0.02"} 2`,
		`stentor_bench_delivery_latency_seconds_bucket{le="0.05"} 4`, `stentor_bench_delivery_latency_seconds_bucket{le="+Inf"} 6`,
		"stentor_bench_delivery_latency_seconds_count 6", "stentor_bench_delivery_latency_seconds_sum 360.",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if _, err := Read(strings.NewReader(string(text))); err != nil {
		t.Error(err)
	}
}
