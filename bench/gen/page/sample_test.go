package page

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
	"stentor/engine/testkit/proc"
)

// demo is a run as a load generator describes it: connections come up, pushes go to all of them, all drop and come back.
func demo(t testing.TB, connections int, slower float64) *result.Result {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(connections), math.Float64bits(slower)))
	out := &result.Result{
		Format: result.Format, Scenario: "reconnect", Started: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), Seconds: 150,
		Settings: map[string]string{
			"server": "ws://10.0.0.5:8080/ws", "connections": whole(int64(connections)), "ramp": "1,000/s", "rate": "2/s", "size": "200",
			"source": "10.0.1.2-10.0.1.9", "push-url": "http://10.0.0.5:8081/v1/projects/{{project}}/push", "heartbeat": "10s",
			"push-body": `{"topic":"all","payload":{{payload}}}`,
		},
		Generators: []result.Generator{{
			Host: "load-1", Connections: connections, CPUSeconds: 88, MostRSS: int64(connections) * 540,
			Machine: proc.Machine{Processor: "AMD EPYC 7B13", Cores: 8, Memory: 32 << 30, Kernel: "6.12.0", Go: "go1.26"},
		}},
		Phases: []result.Phase{
			{Name: "open", Begin: 0, Seconds: 40}, {Name: "hold", Begin: 40, Seconds: 20}, {Name: "push", Begin: 60, Seconds: 50},
			{Name: "drop", Begin: 110, Seconds: 2}, {Name: "return", Begin: 112, Seconds: 38},
		},
	}
	latency, connecting := make([]*measure.Latency, len(out.Phases)), make([]*measure.Latency, len(out.Phases))
	for i := range out.Phases {
		latency[i], connecting[i] = measure.NewLatency(), measure.NewLatency()
	}
	open, cpu := 0, 3.0
	for i := range 150 {
		at := float64(i + 1)
		phase := 0
		for p := range out.Phases {
			if at > out.Phases[p].Begin {
				phase = p
			}
		}
		s := result.Second{At: at, Totals: result.Totals{Failures: map[string]int64{}}}
		switch phase {
		case 0, 4:
			n := min(connections/30, connections-open)
			open += n
			s.Opened, s.Opening = int64(n), 40+r.IntN(30)
			if n == 0 {
				s.Opening = 0
			}
			for range n / 10 {
				connecting[phase].Record(time.Duration(slower * (3 + 2*math.Abs(r.NormFloat64())) * float64(time.Millisecond)))
			}
			cpu += float64(n) * 80e-6
			if phase == 4 && i%7 == 0 && n > 0 {
				s.Failures["connect: connection refused"] = int64(r.IntN(40))
			}
		case 2:
			l := measure.NewLatency()
			for range 400 {
				d := time.Duration(slower * (2 + math.Exp(r.NormFloat64()*1.1)) * float64(time.Millisecond))
				l.Record(d)
				latency[phase].Record(d)
			}
			s.Pushed, s.Delivered = 2, 2*int64(open)
			s.Latency, _ = result.NewLatency(l)
			cpu += float64(s.Delivered) * 14.8e-6
		case 3:
			s.Dropped, open = int64(open), 0
		}
		s.Connected = open
		cpu += 0.02
		s.Server = &result.Server{Connections: int64(open), RSS: 24<<20 + int64(open)*960, CPUSeconds: cpu}
		out.Series = append(out.Series, s)
		out.Phases[phase].Totals.Add(&s.Totals)
	}
	for i := range out.Phases {
		p := &out.Phases[i]
		var err error
		if p.Latency, err = result.NewLatency(latency[i]); err != nil {
			t.Fatal(err)
		}
		if p.Connecting, err = result.NewLatency(connecting[i]); err != nil {
			t.Fatal(err)
		}
	}
	out.Judge()
	return out
}

// soak is a long run, quiet but for two seconds of it.
func soak(t testing.TB, seconds int) *result.Result {
	t.Helper()
	out := &result.Result{
		Format: result.Format, Scenario: "soak", Started: time.Date(2026, 3, 14, 22, 0, 0, 0, time.UTC), Seconds: float64(seconds),
		Phases: []result.Phase{{Name: "soak", Seconds: float64(seconds)}},
	}
	for i := range seconds {
		s := result.Second{At: float64(i + 1), Connected: 50000, Latency: result.Latency{Count: 50000, P50: 2000, P99: 9000, P999: 20000, Most: 40000}}
		s.Delivered = 50000 + int64(i%977)
		switch i {
		case seconds / 3:
			s.Connected = 49000
		case seconds / 2:
			s.Delivered, s.Latency.Most = 123456, 7_654_321
		}
		s.Server = &result.Server{Connections: int64(s.Connected), RSS: 80<<20 + int64(i)*100, CPUSeconds: float64(i) * 0.7}
		out.Series = append(out.Series, s)
		out.Phases[0].Totals.Add(&s.Totals)
	}
	out.Judge()
	return out
}
