package proxies

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

// Costs are what a run has found.
type Costs struct {
	Started     time.Time    `json:"started"`
	Machine     proc.Machine `json:"machine"`
	Stentor     string       `json:"stentor"` // what its version command prints
	Connections int          `json:"connections"`
	Pushes      int          `json:"pushes"`
	Samples     int          `json:"samples"`
	Ways        []Cost       `json:"ways"` // the first is what the others are compared with
}

// Cost is what one way costs: medians of the samples.
type Cost struct {
	Way          string  `json:"way"`
	NodeDeliver  float64 `json:"node_deliver_us"` // CPU for a delivered message
	ProxyDeliver float64 `json:"proxy_deliver_us"`
	NodeConnect  float64 `json:"node_connect_us"` // CPU for handshake, CONNECT and two SUBSCRIBE
	ProxyConnect float64 `json:"proxy_connect_us"`
	NodeMemory   float64 `json:"node_memory_bytes"` // for a connection
	ProxyMemory  float64 `json:"proxy_memory_bytes"`
}

func cost(name string, samples []sample) Cost {
	median := func(value func(sample) float64) float64 {
		var all []float64
		for _, s := range samples {
			all = append(all, value(s))
		}
		return measure.Median(all)
	}
	const node, front = 0, 1
	return Cost{
		Way:         name,
		NodeDeliver: median(func(s sample) float64 { return s.deliver[node] }), ProxyDeliver: median(func(s sample) float64 { return s.deliver[front] }),
		NodeConnect: median(func(s sample) float64 { return s.connect[node] }), ProxyConnect: median(func(s sample) float64 { return s.connect[front] }),
		NodeMemory: median(func(s sample) float64 { return s.memory[node] }), ProxyMemory: median(func(s sample) float64 { return s.memory[front] }),
	}
}

// WriteTable writes the costs for people.
func (c *Costs) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s; %s connections over loopback, %d pushes of %d bytes, medians of %d\n\n", c.Machine, c.Stentor, report.Group(int64(c.Connections)), c.Pushes, payloadBytes, c.Samples)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "WAY\tCPU A MESSAGE: NODE\tPROXY\tTIMES DIRECT\tCPU A CONNECT: NODE\tPROXY\tTIMES DIRECT\tMEMORY A CONNECTION: NODE\tPROXY\t")
	for i := range c.Ways {
		x, direct := &c.Ways[i], &c.Ways[0]
		fmt.Fprintf(t, "%s\t%s us\t%s us\t%s\t%s us\t%s us\t%s\t%.0f B\t%.0f B\t\n", x.Way,
			report.Number(x.NodeDeliver), report.Number(x.ProxyDeliver), times(x.NodeDeliver+x.ProxyDeliver, direct.NodeDeliver),
			report.Number(x.NodeConnect), report.Number(x.ProxyConnect), times(x.NodeConnect+x.ProxyConnect, direct.NodeConnect),
			x.NodeMemory, x.ProxyMemory)
	}
	return t.Flush()
}

func times(both, direct float64) string {
	if direct <= 0 {
		return "-"
	}
	return report.Number(both / direct)
}
