package spring

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"stentor/bench/suite/report"
)

// WriteTable writes the comparison for people.
func (c *Comparison) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s; Spring Boot with the simple broker, %s, %s\n%.0f s of pushes of %d bytes in each run, server and load on this machine\n\n",
		c.Machine, c.Stentor, c.Java, heap, c.Seconds, payload)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "SERVER\tCONNECTIONS\tHELD\tOPEN P99\tMEMORY EACH\tASKED/S\tDELIVERED/S\tCPU EACH\tP50\tP99\tLOST\tOUT OF ORDER\tREPEATED\tFAILED\tMOST RSS\t")
	for i := range c.Figures {
		f := &c.Figures[i]
		memory := "-"
		if f.Memory != 0 {
			memory = report.Number(f.Memory/1024) + " KiB"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s us\t%s\t%s\t%s\t%s\t%s\t%s\t%d MiB\t\n", f.Server, report.Group(int64(f.Connections)), report.Group(int64(f.Held)),
			millis(f.OpenP99), memory, report.Group(int64(f.Asked)), report.Group(int64(f.Delivered)), report.Number(f.CPU), millis(f.P50), millis(f.P99),
			report.Group(f.Lost), report.Group(f.Disordered), report.Group(f.Repeated), report.Group(f.Failed), f.MostRSS>>20)
	}
	return t.Flush()
}

func millis(us int64) string {
	return report.Number(report.Millis(time.Duration(us)*time.Microsecond)) + " ms"
}
