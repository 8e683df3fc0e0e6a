//go:build attacks

package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// The bounds, and the rounds: an attack that holds in two of three rounds has a median that holds, and the third is not
// needed. One that is slow has to be so in the median of five rounds more: beside other work on two cores three are few.
const (
	quick   = 20.0 // milliseconds of p99 that are always fast enough
	ratio   = 2.0  // of p99 to that of the control
	rounds  = 3
	more    = 5 // before it is called slow
	measure = 2500 * time.Millisecond
)

// A round is an attack once, and its control when one was needed.
type round struct {
	P50, P99, Max float64 // of the victim, milliseconds
	Control       float64 `json:",omitempty"` // p99 beside the burner, 0 when it was not needed
	ControlP50    float64 `json:",omitempty"`
	Cores         float64 // that the attacker used
	NodeCores     float64 // that the node used
	Peak          int64   // the node's, bytes
	Visit         float64 // the slowest new client, milliseconds
	Slow, Large   bool    // verdicts
	Report        report
	Victim        victimResult
}

// A finding is the row of an attack in the table.
type finding struct {
	Attack string
	Bound  int64
	Rounds []round
	Wrong  string `json:",omitempty"`
}

// TestAttacks runs every attack.
func TestAttacks(t *testing.T) {
	j := &judge{}
	if !t.Run("alone", func(t *testing.T) { j.alone = j.run(t, nil, 0, false) }) {
		t.Fatal("the node and its victim do not even work alone")
	}
	t.Logf("alone: p50 %.1f ms, p99 %.1f ms, %.1f MiB", j.alone.P50, j.alone.P99, float64(j.alone.Peak)/float64(mib))
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) { j.try(t, &a) })
	}
	j.show(t)
}

type judge struct {
	alone    round
	findings []finding
}

// try runs an attack until its verdict is clear.
func (j *judge) try(t *testing.T, a *attack) {
	f := finding{Attack: a.name, Bound: allowed(j.alone.Peak, a.may)}
	defer func() {
		if t.Failed() && f.Wrong == "" {
			f.Wrong = "failed"
		}
		j.findings = append(j.findings, f)
	}()
	slow, large := j.rounds(t, a, &f, rounds)
	if slow && !large {
		t.Logf("slow in most of %d rounds: %d more, in case that other work on this machine was it", len(f.Rounds), more)
		f.Rounds = nil
		slow, large = j.rounds(t, a, &f, more)
	}
	if slow {
		f.Wrong = "slow"
		t.Errorf("%s: another tenant's p99 is above %v ms and above %v times the control's", a.does, quick, ratio)
	}
	if large {
		f.Wrong = strings.TrimSpace(f.Wrong + " large")
		t.Errorf("%s: the node takes more than %.1f MiB: alone %.1f MiB; %s; 30%% of these for the collector; a tenth", a.does, inMiB(f.Bound), inMiB(j.alone.Peak), formula(a.may))
	}
}

// rounds runs as many of n rounds as it takes for the majority to be clear, and says whether most were slow or large.
func (j *judge) rounds(t *testing.T, a *attack, f *finding, n int) (slow, large bool) {
	var slows, larges, good int
	for most := n/2 + 1; slows < most && larges < most && good < most && len(f.Rounds) < n; {
		r, ok := j.pair(t, a, f)
		if !ok {
			return false, false
		}
		switch {
		case r.Slow && r.Large:
			slows++
			larges++
		case r.Slow:
			slows++
		case r.Large:
			larges++
		default:
			good++
		}
		f.Rounds = append(f.Rounds, r)
		slow, large = slows >= most, larges >= most
	}
	return slow, large
}

// pair is one round: the attack, and right after it the control if one is needed. It is not ok when the test failed.
func (j *judge) pair(t *testing.T, a *attack, f *finding) (r round, ok bool) {
	if !t.Run(fmt.Sprint(len(f.Rounds)+1), func(t *testing.T) { r = j.run(t, a, 0, a.cluster) }) {
		return r, false
	}
	if r.P99 > quick {
		ok := t.Run("control", func(t *testing.T) {
			control := j.run(t, nil, r.Cores, a.cluster)
			r.Control, r.ControlP50 = control.P99, control.P50
		})
		if !ok {
			return r, false
		}
		r.Slow = r.P99 > ratio*r.Control
	}
	r.Large = r.Peak > f.Bound
	t.Logf("p50 %.1f, p99 %.1f, max %.1f ms (control p50 %.1f, p99 %.1f), peak %.1f of %.1f MiB; slowest visit %.0f ms; cores: attacker %.2f, node %.2f; %v",
		r.P50, r.P99, r.Max, r.ControlP50, r.Control, inMiB(r.Peak), inMiB(f.Bound), r.Visit, r.Cores, r.NodeCores, r.Report)
	return r, true
}

// run measures a node and the victim once: with an attack, or beside a burner of so many cores, or with neither. cluster
// gives the node a broker.
func (j *judge) run(t *testing.T, a *attack, cores float64, cluster bool) round {
	t.Helper()
	var set []string
	if a != nil {
		set = a.set
	}
	broker := ""
	if cluster {
		var more []string
		broker, more = startBroker(t)
		set = slices.Concat(set, more)
	}
	n := startNode(t, set)
	must := func(err error) {
		t.Helper()
		if err != nil {
			if gone := n.stands(); gone != nil {
				err = fmt.Errorf("%w; %w", err, gone)
			}
			t.Fatal(err)
		}
	}
	if cluster {
		must(n.ready())
	}
	allow := allowances{}
	if a != nil {
		allow = a.allow
	}
	v := spawn(t, "victim", victimArgument{n.Client, n.API, allow.shutOut})
	must(v.ready())
	var other *child
	switch {
	case a != nil:
		other = spawn(t, "attacker", attackerArgument{a.name, n.Client, n.Proxied, n.API, broker})
	case cores > 0:
		other = spawn(t, "burner", cores)
	}
	if other != nil {
		must(other.ready())
	}
	undo := func() error { return nil }
	if a != nil && a.outside != nil {
		var err error
		undo, err = a.outside(n)
		must(err)
	}
	must(v.begin())
	if other != nil {
		must(other.begin())
	}
	meter := startMeter(t, n, other)
	time.Sleep(measure)
	r := meter.read(t)
	if other != nil {
		must(other.end(&r.Report))
	}
	must(v.end(&r.Victim))
	must(undo())
	var err error
	r.Peak, err = n.peak()
	must(err)
	r.P50, r.P99, r.Max, r.Visit = r.Victim.P50, r.Victim.P99, r.Victim.Max, r.Victim.SlowestVisit
	if err := n.stands(); err != nil {
		t.Error(err)
	} else if a != nil && a.check != nil {
		if err := a.check(n, r.Report); err != nil {
			t.Errorf("%s: %v", a.does, err)
		}
	}
	if err := r.Victim.wrong(allow); err != nil {
		t.Errorf("%v; attacker: %v", err, r.Report)
	}
	v.kill()
	if other != nil {
		other.kill()
	}
	n.stop()
	return r
}

func inMiB(bytes int64) float64 { return float64(bytes) / float64(mib) }

// show prints the table, and writes it as JSON where ATTACKS_JSON says.
func (j *judge) show(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "attack\tp99 alone\tcontrol\tattack\tratio\tpeak MiB\tbound\tverdict\t\n")
	for _, f := range j.findings {
		p99, peak := median(f.Rounds, func(r round) float64 { return r.P99 }), median(f.Rounds, func(r round) float64 { return inMiB(r.Peak) })
		control, times := "-", "-"
		var controlled []round
		for _, r := range f.Rounds {
			if r.Control > 0 {
				controlled = append(controlled, r)
			}
		}
		if len(controlled) > 0 {
			control = fmt.Sprintf("%.1f", median(controlled, func(r round) float64 { return r.Control }))
			times = fmt.Sprintf("%.2f", median(controlled, func(r round) float64 { return r.P99 / r.Control }))
		}
		verdict := f.Wrong
		if verdict == "" {
			verdict = "holds"
		}
		fmt.Fprintf(w, "%s\t%.1f\t%s\t%.1f\t%s\t%.1f\t%.1f\t%s\t\n", f.Attack, j.alone.P99, control, p99, times, peak, inMiB(f.Bound), verdict)
	}
	w.Flush()
	fmt.Printf("\n%s\n", text.String())
	if file := os.Getenv("ATTACKS_JSON"); file != "" {
		b, err := json.MarshalIndent(struct {
			Alone    round
			Findings []finding
		}{j.alone, j.findings}, "", "  ")
		if err == nil {
			err = os.WriteFile(file, b, 0o666)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
