package node

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"stentor/bench/measure"
	"stentor/bench/proc"
)

// Report is what a run has found.
type Report struct {
	Started     time.Time    `json:"started"`
	Machine     proc.Machine `json:"machine"`
	Server      string       `json:"server"` // what its version command prints
	Connections int          `json:"connections"`
	Quick       bool         `json:"quick"`
	FrameBytes  int          `json:"frame_bytes"` // of the WebSocket frame around a payload
	Results     []Result     `json:"results"`
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

// result judges the median of samples.
func result(measurement, name, unit string, samples []float64, details ...Detail) Result {
	return Result{Measurement: measurement, Name: name, Unit: unit, Value: measure.Median(samples), Samples: samples, Details: details}
}

func (r Result) atMost(target float64) Result {
	r.Target, r.Pass = target, r.Value <= target
	return r
}

func (r Result) atLeast(target float64) Result {
	r.Target, r.AtLeast, r.Pass = target, true, r.Value >= target
	return r
}

func detail(name, unit string, samples ...float64) Detail {
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
	fmt.Fprintf(w, "%s\n%s, %d connections, payloads of %d bytes in frames of %d\n", r.Machine, r.Server, r.Connections, payloadBytes, r.FrameBytes)
	if r.Quick {
		fmt.Fprintln(w, "A quick run: its samples are short, and its numbers are for orientation only.")
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASUREMENT\tVALUE\tTARGET\t\tSAMPLES")
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
			samples[i] = number(s)
		}
		fmt.Fprintf(t, "%s: %s\t%s %s\t%s %s\t%s\t%s\n", x.Measurement, x.Name, number(x.Value), x.Unit, sign, number(x.Target), verdict, strings.Join(samples, " "))
		for _, d := range x.Details {
			fmt.Fprintf(t, "    %s\t%s %s\t\t\t\n", d.Name, number(d.Value), d.Unit)
		}
	}
	return t.Flush()
}

// number writes three significant digits, or all digits before the point of a large number.
func number(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return group(int64(math.Round(v)))
}

// group writes the digits of n in groups of three.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
