package load

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"stentor/bench/gen/result"
)

// WriteSummary writes a result for people.
func WriteSummary(w io.Writer, r *result.Result) error {
	fmt.Fprintf(w, "%s, %.1f s\n", r.Scenario, r.Seconds)
	for _, g := range r.Generators {
		fmt.Fprintf(w, "generator %s: %s connections, %.1f s of CPU, %s resident; %s\n", g.Host, group(int64(g.Connections)), g.CPUSeconds, bytesText(g.MostRSS), g.Machine)
	}
	if s := mostOf(r.Series); s != nil {
		fmt.Fprintf(w, "server: at most %s connections, %s resident, %.1f s of CPU during the run\n", group(s.Connections), bytesText(s.RSS), s.CPUSeconds)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "PHASE\tSECONDS\tOPENED\tP99 TO OPEN\tFAILED\tPUSHED\tDELIVERED\tP50\tP99\tP99.9\tMAX\tWRONG\t")
	for i := range r.Phases {
		p := &r.Phases[i]
		failed := int64(0)
		for _, n := range p.Failures {
			failed += n
		}
		fmt.Fprintf(t, "%s\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Seconds, group(p.Opened), orNone(p.Connecting.Count, p.Connecting.P99), group(failed),
			group(p.Pushed), group(p.Delivered), latencyColumns(&p.Latency), group(p.Order.Bad())+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	all := r.Total()
	fmt.Fprintf(w, "\nlost %d, repeated %d, out of order %d, corrupted %d, misrouted %d; heart-beats missed %d; resumed %d, not resumed %d\n",
		all.Order.Lost, all.Order.Repeated, all.Order.Reordered, all.Order.Corrupted, all.Order.Misrouted, all.HeartbeatsMissed, all.Resumed, all.NotResumed)
	if c := causes(unsaid(all.Failures, r.Verdict.Problems)); c != "" {
		fmt.Fprintln(w, "failed, or ended by the server:", c)
	}
	for _, k := range r.Thresholds {
		if k.Kept { // the verdict names the others
			fmt.Fprintf(w, "threshold %s: %s\n", k.Threshold, k.Value)
		}
	}
	for _, text := range r.Notes {
		fmt.Fprintln(w, "note:", text)
	}
	if r.Verdict.Good {
		said := "good: every message arrived once, in order, at its recipients"
		if all.Pushed+all.Delivered == 0 {
			said = "good: every connection is open; no message was pushed"
		}
		_, err := fmt.Fprintln(w, said)
		return err
	}
	for _, p := range r.Verdict.Problems {
		fmt.Fprintln(w, "BAD:", p)
	}
	return nil
}

// unsaid are the failures whose causes no problem mentions.
func unsaid(failures map[string]int64, problems []string) map[string]int64 {
	said := strings.Join(problems, "\n")
	rest := map[string]int64{}
	for cause, n := range failures {
		if !strings.Contains(said, cause) {
			rest[cause] = n
		}
	}
	return rest
}

func latencyColumns(l *result.Latency) string {
	return orNone(l.Count, l.P50) + "\t" + orNone(l.Count, l.P99) + "\t" + orNone(l.Count, l.P999) + "\t" + orNone(l.Count, l.Most)
}

func orNone(count, us int64) string {
	if count == 0 {
		return "-"
	}
	return micros(us)
}

// mostOf is the highest value of each of the server's figures, nil when there are none.
func mostOf(series []result.Second) (most *result.Server) {
	for _, s := range series {
		if s.Server == nil {
			continue
		}
		if most == nil {
			most = &result.Server{}
		}
		most.Connections = max(most.Connections, s.Server.Connections)
		most.RSS = max(most.RSS, s.Server.RSS)
		most.CPUSeconds = max(most.CPUSeconds, s.Server.CPUSeconds)
	}
	return most
}
