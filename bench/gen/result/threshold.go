package result

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stentor/bench/gen/measure"
)

// Threshold is a bound for a figure of a whole run, as in p99<50ms.
type Threshold struct {
	Text   string
	metric string
	op     string
	limit  float64 // microseconds for latencies
}

// quantiles are the latencies of deliveries.
var quantiles = map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1}

// counts are the other figures.
var counts = map[string]func(r *Result, t *Totals) float64{
	"lost":      func(_ *Result, t *Totals) float64 { return float64(t.Order.Lost) },
	"repeated":  func(_ *Result, t *Totals) float64 { return float64(t.Order.Repeated) },
	"reordered": func(_ *Result, t *Totals) float64 { return float64(t.Order.Reordered) },
	"wrong":     func(_ *Result, t *Totals) float64 { return float64(t.Order.Bad()) },
	"errors": func(_ *Result, t *Totals) (n float64) {
		for _, f := range t.Failures {
			n += float64(f)
		}
		return n
	},
	"opened":        func(_ *Result, t *Totals) float64 { return float64(t.Opened) },
	"pushed":        func(_ *Result, t *Totals) float64 { return float64(t.Pushed) },
	"delivered":     func(_ *Result, t *Totals) float64 { return float64(t.Delivered) },
	"open-rate":     func(r *Result, _ *Totals) float64 { return r.openRate() },
	"delivery-rate": func(r *Result, _ *Totals) float64 { return r.deliveryRate() },
}

// openRate is how many connections a second opened in the first phase.
func (r *Result) openRate() float64 {
	if len(r.Phases) == 0 || r.Phases[0].Seconds == 0 {
		return 0
	}
	return float64(r.Phases[0].Opened) / r.Phases[0].Seconds
}

// deliveryRate is how many messages a second came in the phases in which some were pushed.
func (r *Result) deliveryRate() float64 {
	n, seconds := 0.0, 0.0
	for i := range r.Phases {
		if p := &r.Phases[i]; p.Pushed > 0 {
			n, seconds = n+float64(p.Delivered), seconds+p.Seconds
		}
	}
	if seconds == 0 {
		return 0
	}
	return n / seconds
}

var thresholdForm = regexp.MustCompile(`^\s*([a-z][a-z0-9_-]*)\s*(<=|>=|<|>)\s*(\S+)\s*$`)

// ParseThreshold reads a threshold.
func ParseThreshold(text string) (Threshold, error) {
	m := thresholdForm.FindStringSubmatch(text)
	if m == nil {
		return Threshold{}, fmt.Errorf("found %q, allowed: METRIC<VALUE, with <, <=, > or >=, as in p99<50ms", text)
	}
	t := Threshold{Text: m[1] + m[2] + m[3], metric: strings.ReplaceAll(m[1], "_", "-"), op: m[2]}
	_, isTime := quantiles[t.metric]
	_, isCount := counts[t.metric]
	switch {
	case isTime:
		d, err := time.ParseDuration(m[3])
		if err != nil || d < 0 {
			return t, fmt.Errorf("found %q, allowed for %s: a time as in 50ms", text, t.metric)
		}
		t.limit = float64(d) / float64(time.Microsecond)
	case isCount:
		n, err := strconv.ParseFloat(m[3], 64)
		if err != nil || !(n >= 0) {
			return t, fmt.Errorf("found %q, allowed for %s: a number", text, t.metric)
		}
		t.limit = n
	default:
		return t, fmt.Errorf("found %q, allowed: p50, p90, p99, p999, max, %s", text, strings.Join(slices.Sorted(maps.Keys(counts)), ", "))
	}
	return t, nil
}

// ParseThresholds reads all of them; the error has every mistake.
func ParseThresholds(texts []string) (all []Threshold, err error) {
	for _, text := range texts {
		t, no := ParseThreshold(text)
		if no != nil {
			err = errors.Join(err, fmt.Errorf("--threshold: %w", no))
		}
		all = append(all, t)
	}
	return all, err
}

// Kept is the outcome of a threshold.
type Kept struct {
	Threshold string `json:"threshold"`
	Kept      bool   `json:"kept"`
	Value     string `json:"value"` // what was found
}

// Hold checks a run against thresholds: r gets the outcome of each, and any that is not kept makes the verdict bad.
func (r *Result) Hold(all []Threshold) error {
	if len(all) == 0 {
		return nil
	}
	latency, totals := measure.NewLatency(), r.Total()
	for i := range r.Phases {
		h, err := r.Phases[i].Latency.Decode()
		if err != nil {
			return fmt.Errorf("phase %s: %w", r.Phases[i].Name, err)
		}
		latency.Merge(h)
	}
	for i := range all {
		k := all[i].kept(r, latency, &totals)
		r.Thresholds = append(r.Thresholds, k)
		if !k.Kept {
			r.Verdict.Good = false
			r.Verdict.Problems = append(r.Verdict.Problems, fmt.Sprintf("threshold %s is not kept: %s", k.Threshold, k.Value))
		}
	}
	return nil
}

func (t *Threshold) kept(r *Result, latency *measure.Latency, totals *Totals) Kept {
	k := Kept{Threshold: t.Text}
	q, isTime := quantiles[t.metric]
	var v float64
	switch {
	case isTime && latency.Summary().Count == 0:
		k.Value = "nothing was delivered"
		return k
	case isTime:
		d := latency.Quantile(q)
		v, k.Value = float64(d)/float64(time.Microsecond), d.String()
	default:
		v = counts[t.metric](r, totals)
		k.Value = strconv.FormatFloat(v, 'f', -1, 64)
		if v != float64(int64(v)) {
			k.Value = strconv.FormatFloat(v, 'f', 1, 64)
		}
	}
	k.Kept = map[string]bool{"<": v < t.limit, "<=": v <= t.limit, ">": v > t.limit, ">=": v >= t.limit}[t.op]
	return k
}
