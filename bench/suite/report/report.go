package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"stentor/bench/gen/measure"
	"stentor/engine/testkit/proc"
)

// Report is what a run has found.
type Report struct {
	Started time.Time    `json:"started"`
	Machine proc.Machine `json:"machine"`
	Server  string       `json:"server"` // what its version command prints
	Load    string       `json:"load"`   // one line on what all measurements have in common
	Quick   bool         `json:"quick"`
	Results []Result     `json:"results"`
	Notes   []string     `json:"notes,omitempty"` // what was not measured, and why
}

// Result is one number and its target.
type Result struct {
	Measurement string    `json:"measurement"`
	Name        string    `json:"name"`
	Value       float64   `json:"value"` // the median of Samples
	Unit        string    `json:"unit"`
	Target      float64   `json:"target"`
	AtLeast     bool      `json:"at_least"` // the target is a least value, not a most one
	Pass        bool      `json:"pass"`
	Samples     []float64 `json:"samples"`
	Details     []Detail  `json:"details"`
}

// Detail is a number that a result comes from.
type Detail struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // a median where there are several samples
	Unit  string  `json:"unit"`
}

// New is the result of samples, whose median is judged by Most or Least.
func New(measurement, name, unit string, samples []float64, details ...Detail) Result {
	return Result{Measurement: measurement, Name: name, Unit: unit, Value: measure.Median(samples), Samples: samples, Details: details}
}

// Most sets the largest value that passes.
func (r Result) Most(target float64) Result {
	r.Target, r.Pass = target, r.Value <= target
	return r
}

// Least sets the smallest value that passes.
func (r Result) Least(target float64) Result {
	r.Target, r.AtLeast, r.Pass = target, true, r.Value >= target
	return r
}

// With is a detail: the median of its samples.
func With(name, unit string, samples ...float64) Detail {
	return Detail{name, measure.Median(samples), unit}
}

// Missed is how many targets were missed.
func (r *Report) Missed() (n int) {
	for i := range r.Results {
		if !r.Results[i].Pass {
			n++
		}
	}
	return n
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s, %s\n", r.Machine, r.Server, r.Load)
	if r.Quick {
		fmt.Fprintln(w, "A quick run: its samples are short, and its numbers are for orientation only.")
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASUREMENT\tVALUE\tTARGET\t\t\tSAMPLES")
	for i := range r.Results {
		x := &r.Results[i]
		verdict, sign := "pass", "<="
		if !x.Pass {
			verdict = "MISS"
		}
		if x.AtLeast {
			sign = ">="
		}
		samples := make([]string, len(x.Samples))
		for i, s := range x.Samples {
			samples[i] = Number(s)
		}
		fmt.Fprintf(t, "%s: %s\t%s %s\t%s %s\t%s\t%s\t%s\n", x.Measurement, x.Name, Number(x.Value), x.Unit, sign, Number(x.Target), verdict, x.bar(), strings.Join(samples, " "))
		for _, d := range x.Details {
			fmt.Fprintf(t, "    %s\t%s %s\t\t\t\t\n", d.Name, Number(d.Value), d.Unit)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	return nil
}

// bar draws the value as a part of the target, whose place is the last one; beyond it there is an arrow. A target of 0 has none.
func (r *Result) bar() string {
	const places = 10
	if r.Target == 0 {
		return ""
	}
	n := int(math.Round(places * r.Value / r.Target))
	if n > places {
		return strings.Repeat("█", places) + "▶"
	}
	return strings.Repeat("█", max(0, n)) + strings.Repeat("·", places-max(0, n))
}

// Number writes three significant digits, or all digits before the point of a large number.
func Number(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return Group(int64(math.Round(v)))
}

// Group writes the digits of n in groups of three.
func Group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Micros is d in microseconds.
func Micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Millis is d in milliseconds.
func Millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
