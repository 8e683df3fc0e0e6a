package plan

import (
	"os"
	"strings"
	"testing"
)

func load() Load {
	return Load{Connections: 10_000_000, Pushes: 10_000, Receivers: 100, Size: 200, PerNode: 1_000_000, Cores: 8, Busy: 0.5, Memory: 16e9}
}

func planned(t *testing.T, change func(*Load)) Plan {
	t.Helper()
	l := load()
	change(&l)
	p, err := New(l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each of the bounds decides where it should.
func TestBounds(t *testing.T) {
	for _, v := range []struct {
		change func(*Load)
		bound  string
		nodes  int64
	}{
		{func(*Load) {}, ByConnections, 10},
		{func(l *Load) { l.Memory = 1e9 }, ByMemory, 50},
		{func(l *Load) { l.Receivers = 1000 }, ByDelivery, 18}, // 67 cores of 3.9 each
	} {
		if p := planned(t, v.change); p.Bound != v.bound || p.Nodes != v.nodes {
			t.Errorf("%d nodes by %s, want %d by %s", p.Nodes, p.Bound, v.nodes, v.bound)
		}
	}
}

// More nodes do not make the work of reading less; more groups do.
func TestReading(t *testing.T) {
	few, many := planned(t, func(*Load) {}), planned(t, func(l *Load) { l.PerNode = 100_000 })
	if many.Nodes != 10*few.Nodes || many.ReadCores != few.ReadCores || many.KafkaOut != 10*few.KafkaOut || many.ReadAll <= few.ReadAll {
		t.Errorf("%+v\n%+v", few, many)
	}
	grouped := planned(t, func(l *Load) { l.Groups = 5 })
	if grouped.ReadCores != few.ReadCores/5 || grouped.Nodes != few.Nodes || grouped.KafkaOut != few.KafkaOut/5 {
		t.Errorf("%+v", grouped)
	}
}

// No node is planned that reads or delivers more than it can, whatever the load.
func TestGroups(t *testing.T) {
	for _, pushes := range []float64{0, 1, 1e4, 1e5, 1e6, 1e7, 1e8} {
		for _, cores := range []float64{1, 8, 64} {
			p := planned(t, func(l *Load) { l.Pushes, l.Cores = pushes, cores })
			if usable := p.Cores * p.Busy; p.ReadCores > usable*readShare*1.0001 || p.GroupPushes > readRate || p.ReadCores+p.DeliverCores > usable*1.0001 {
				t.Errorf("%v pushes, %v cores: %+v", pushes, cores, p)
			}
		}
	}
	l := load()
	l.Pushes, l.Groups = 1e6, 1
	if _, err := New(l); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("error %v", err)
	}
}

func TestLoads(t *testing.T) {
	for name, change := range map[string]func(*Load){
		"connections": func(l *Load) { l.Connections = 0 }, "pushes": func(l *Load) { l.Pushes = -1 }, "busy": func(l *Load) { l.Busy = 2 },
		"cores": func(l *Load) { l.Cores = 0 }, "per-node": func(l *Load) { l.PerNode = 0 }, "memory": func(l *Load) { l.Memory = 1 },
	} {
		l := load()
		change(&l)
		if _, err := New(l); err == nil || !strings.Contains(err.Error(), "--"+name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The costs are those that the documentation shows as measured.
func TestMeasured(t *testing.T) {
	b, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, cost := range []string{
		"after broadcasts, churn and a minute at 100 pushes a second 875", "| 8,115 MB |", "(6.7 us, ", "17 us of the node's CPU each",
		"1,048,576 records of 1 KiB | ready after 3.7 s (4.0 s of CPU)", "128 us of the server's CPU each",
	} {
		if !strings.Contains(string(b), cost) {
			t.Errorf("docs/benchmarks.md no longer has %q: look at costs.go", cost)
		}
	}
}

// TestTLS: what TLS costs is in the plan.
func TestTLS(t *testing.T) {
	l := Load{Connections: 10_000_000, Pushes: 10_000, Receivers: 100, Size: 200, PerNode: 1_000_000, Cores: 2, Busy: 0.9, Memory: 16e9}
	plain, err := New(l)
	if err != nil {
		t.Fatal(err)
	}
	l.TLS = true
	over, err := New(l)
	if err != nil {
		t.Fatal(err)
	}
	if over.NodeMemory <= plain.NodeMemory || over.DeliverCores <= plain.DeliverCores || over.Return <= plain.Return {
		t.Errorf("plain %+v\nTLS %+v", plain, over)
	}
}
