package main

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// processCollector has the metrics of the process that Prometheus' own collector has, under its names, without what
// grows with the number of descriptors: on a kernel before 6.2 that one lists them, which at a million takes a second
// for each scrape, and has the kernel keep 1 KB for each.
type processCollector struct{ proc procfs.Proc }

func newProcessCollector() (*processCollector, error) {
	proc, err := procfs.Self()
	return &processCollector{proc}, err
}

var (
	processCPU     = prometheus.NewDesc("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", nil, nil)
	processVirtual = prometheus.NewDesc("process_virtual_memory_bytes", "Virtual memory size in bytes.", nil, nil)
	processRSS     = prometheus.NewDesc("process_resident_memory_bytes", "Resident memory size in bytes.", nil, nil)
	processStart   = prometheus.NewDesc("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", nil, nil)
	processFDs     = prometheus.NewDesc("process_open_fds", "Number of open file descriptors (from Linux 6.2 on).", nil, nil)
	processMaxFDs  = prometheus.NewDesc("process_max_fds", "Maximum number of open file descriptors.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *processCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{processCPU, processVirtual, processRSS, processStart, processFDs, processMaxFDs} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What the kernel does not tell is left out.
func (c *processCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	if s, err := c.proc.Stat(); err == nil {
		ch <- prometheus.MustNewConstMetric(processCPU, prometheus.CounterValue, s.CPUTime())
		gauge(processVirtual, float64(s.VirtualMemory()))
		gauge(processRSS, float64(s.ResidentMemory()))
		if start, err := s.StartTime(); err == nil {
			gauge(processStart, start)
		}
	}
	if n, ok := openDescriptors("/proc/self/fd"); ok {
		gauge(processFDs, float64(n))
	}
	if l, err := c.proc.Limits(); err == nil {
		gauge(processMaxFDs, float64(l.OpenFiles))
	}
}

// openDescriptors is how many descriptors there are, where the kernel tells it as the size of their folder.
func openDescriptors(folder string) (n int64, ok bool) {
	info, err := os.Stat(folder)
	if err != nil || info.Size() <= 0 {
		return 0, false
	}
	return info.Size(), true
}
