package report

import (
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 1.096: "1.10", 42.35: "42.4", 1023.6: "1,024", 1234567: "1,234,567", 999.5: "1,000"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	r := Report{Results: []Result{
		New("m", "a", "x", []float64{1.2, 1.0, 1.1}).Most(1.1),
		New("m", "b", "x", []float64{1.2}).Most(1.1),
		New("m", "c", "x", []float64{3}).Least(3),
		New("m", "d", "x", []float64{2.9}).Least(3),
	}}
	if r.Missed() != 2 || !r.Results[0].Pass || !r.Results[2].Pass {
		t.Errorf("%+v", r.Results)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		value, target float64
		want          string
	}{{0, 5, "··········"}, {2.6, 5, "█████·····"}, {5, 5, "██████████"}, {7, 5, "██████████▶"}, {0, 0, ""}} {
		if r := New("m", "a", "x", []float64{c.value}).Most(c.target); r.bar() != c.want {
			t.Errorf("%v of %v: %s", c.value, c.target, r.bar())
		}
	}
}

// What was not measured is below the table.
func TestNotes(t *testing.T) {
	var b strings.Builder
	r := Report{Results: []Result{New("m", "a", "x", []float64{1}, With("d", "ms", 3)).Most(2)}, Notes: []string{"silent: not measured"}}
	if err := r.WriteTable(&b); err != nil || !strings.HasSuffix(b.String(), "silent: not measured\n") || !strings.Contains(b.String(), "pass  █████·····  1.00") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
