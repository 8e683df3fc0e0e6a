package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/testkit"
)

func TestProcessMetrics(t *testing.T) {
	c, err := newProcessCollector()
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_start_time_seconds", "process_max_fds"} {
		if values[name] <= 0 {
			t.Errorf("%s is %v", name, values[name])
		}
	}
	if _, ok := values["process_cpu_seconds_total"]; !ok {
		t.Error("no CPU time")
	}
}

// Where the kernel tells the number of descriptors it is that of the entries in the folder, which is what reading it
// gives: one more, while it is open.
func TestOpenDescriptors(t *testing.T) {
	const folder = "/proc/self/fd"
	if _, ok := openDescriptors(folder); !ok {
		t.Skip("a kernel before 6.2")
	}
	var before, after int64
	wrong := func() string { return fmt.Sprintf("%d descriptors and 10 more are %d", before, after) }
	testkit.Eventually(t, patience, wrong, func() bool { // a connection of an earlier test may end meanwhile
		before, _ = openDescriptors(folder)
		for range 10 {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		after, _ = openDescriptors(folder)
		return after == before+10
	})
	if n, ok := openDescriptors("/proc/self/no-such-folder"); ok {
		t.Errorf("%d descriptors in a folder that is not there", n)
	}
}
