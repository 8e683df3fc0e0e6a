package chart

import (
	"fmt"
	"html"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func plain(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func texts(s Scale) string {
	var all []string
	for _, t := range s.Ticks {
		all = append(all, t.Text)
	}
	return strings.Join(all, " ")
}

func TestScales(t *testing.T) {
	for name, c := range map[string]struct {
		scale Scale
		want  string
	}{
		"linear":           {Linear(95, 10, plain), "0 20 40 60 80 100"},
		"linear, round":    {Linear(100, 10, plain), "0 20 40 60 80 100"},
		"linear, small":    {Linear(0.07, 10, func(v float64) string { return fmt.Sprintf("%.2f", v) }), "0.00 0.02 0.04 0.06 0.08"},
		"linear, nothing":  {Linear(0, 10, plain), "0 0.2 0.4 0.6000000000000001 0.8 1"},
		"linear, NaN":      {Linear(math.NaN(), 10, func(float64) string { return "x" }), "x x x x x x"},
		"bytes":            {Linear(90<<20, 2, func(v float64) string { return plain(v / (1 << 20)) }), "0 20 40 60 80 100"},
		"logarithmic":      {Logarithmic(30, 20000, plain), "10 100 1000 10000 100000"},
		"logarithmic, few": {Logarithmic(30, 70, plain), "10 20 50 100"},
		"logarithmic, one": {Logarithmic(100, 100, plain), "100 200 500 1000"},
		"logarithmic, 0":   {Logarithmic(0, 0, plain), "1 2 5 10"},
		"seconds":          {Time(9), "0 0:01 0:02 0:03 0:04 0:05 0:06 0:07 0:08 0:09"},
		"minutes":          {Time(150), "0 0:15 0:30 0:45 1:00 1:15 1:30 1:45 2:00 2:15 2:30"},
		"hours":            {Time(8 * 3600), "0 1 h 2 h 3 h 4 h 5 h 6 h 7 h 8 h"},
		"an hour and some": {Time(4000), "0 10:00 20:00 30:00 40:00 50:00 1:00:00"},
		"years":            {Time(86400 * 365), "0 1536 h 3072 h 4608 h 6144 h 7680 h"},
		"percentiles":      {Percentiles(5000), "50% 90% 99% 99.9% 99.99%"},
		"percentiles of 0": {Percentiles(0), "50% 90% 99%"},
	} {
		if got := texts(c.scale); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if s := Linear(95, 10, plain); s.at(50) != 0.5 || s.at(-1) != 0 || s.at(200) != 1 {
		t.Error("linear places")
	}
	if s := Logarithmic(1, 10000, plain); s.at(100) != 0.5 || s.at(0) != 0 {
		t.Error("logarithmic places")
	}
	if s := Percentiles(10000); s.at(OfQuantile(0.99)) < 0.499 || s.at(OfQuantile(0.99)) > 0.501 || s.at(OfQuantile(1)) != 1 {
		t.Error("percentile places")
	}
}

// However long a run was, its worst and its best second are still there.
func TestThin(t *testing.T) {
	for _, n := range []int{1, 599, 600, 601, 1199, 28800, 100003} {
		for _, odd := range []int{0, n / 3, n - 1} {
			all := make([]Point, n)
			for i := range all {
				all[i] = At(float64(i), 100)
			}
			all[odd] = At(float64(odd), 7000)
			dip := (odd + n/2) % n
			if n > 1 {
				all[dip] = At(float64(dip), 3)
			}
			thin := Thin(all, Most)
			if len(thin) > Most {
				t.Fatalf("%d points made of %d", len(thin), n)
			}
			least, most := bounds([]Line{{Points: thin}})
			if most != 7000 || n > 1 && least != 3 {
				t.Errorf("%d points: the peak at %d shows as %v, the dip at %d as %v", n, odd, most, dip, least)
			}
			if thin[len(thin)-1].X != float64(n-1) {
				t.Errorf("%d points: the last is at %v", n, thin[len(thin)-1].X)
			}
		}
	}
	p := Thin([]Point{At(1, 1), At(2, 3), Gap(3), Gap(4), Gap(5), At(6, 5)}, 3)
	if p[0] != (Point{2, 2, 1, 3}) || !math.IsNaN(p[1].Y) || p[2] != At(6, 5) {
		t.Errorf("%v", p)
	}
}

func draw(t *testing.T, c Chart) string {
	t.Helper()
	h, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// heights follows a path of M, l, h and L steps and returns the highest and the lowest place that it comes to.
func heights(t *testing.T, path string) (top, bottom int) {
	t.Helper()
	top, bottom = math.MaxInt, math.MinInt
	y := 0
	for _, s := range regexp.MustCompile(`[A-Za-z][^A-Za-z]*`).FindAllString(path, -1) {
		f := strings.FieldsFunc(s[1:], func(r rune) bool { return r == ' ' })
		switch s[0] {
		case 'M', 'L':
			y, _ = strconv.Atoi(f[1])
		case 'l':
			d, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatalf("step %q", s)
			}
			y += d
		case 'h':
		default:
			t.Fatalf("step %q", s)
		}
		top, bottom = min(top, y), max(bottom, y)
	}
	return top, bottom
}

func TestLinePassesThroughItsPeak(t *testing.T) {
	var all []Point
	for i := range 28800 {
		v := 10.0
		if i == 20000 {
			v = 100
		}
		all = append(all, At(float64(i), v))
	}
	c := Chart{Title: "t", X: Time(28800), Format: plain, Lines: []Line{{Name: "n", Color: 1, Peaks: true, Points: Thin(all, Most)}}}
	text := draw(t, c)
	if len(text) > 20000 {
		t.Errorf("%d bytes", len(text))
	}
	path := regexp.MustCompile(`class="line" d="([^"]*)"`).FindStringSubmatch(text)
	if path == nil {
		t.Fatal("no line")
	}
	if top, bottom := heights(t, path[1]); top != 0 || bottom != 900 {
		t.Errorf("the line lies between %d and %d", top, bottom)
	}

	c.Lines[0].Peaks = false
	text = draw(t, c)
	area := regexp.MustCompile(`class="range" d="([^"]*)z"`).FindStringSubmatch(text)
	if area == nil {
		t.Fatal("no range")
	}
	if top, bottom := heights(t, area[1]); top != 0 || bottom != 900 {
		t.Errorf("the range lies between %d and %d", top, bottom)
	}
}

func TestGaps(t *testing.T) {
	c := Chart{X: Time(10), Format: plain, Lines: []Line{{Name: "n", Color: 2, Fill: true, Points: []Point{At(1, 1), At(2, 2), Gap(3), At(4, 4), Gap(5)}}, {Name: "absent", Points: []Point{Gap(1)}}}}
	text := draw(t, c)
	if n := strings.Count(text, `class="line"`); n != 1 {
		t.Errorf("%d lines", n)
	}
	path := regexp.MustCompile(`class="line" d="([^"]*)"`).FindStringSubmatch(text)[1]
	if strings.Count(path, "M") != 1 || !strings.Contains(text, `class="dot"`) {
		t.Errorf("a single value is no dot, or a gap is bridged: %s", text)
	}
	if strings.Contains(text, "absent") {
		t.Error("a line without values is in the legend")
	}
	c.Lines = c.Lines[1:]
	if got := draw(t, c); got != "" {
		t.Errorf("a chart without values: %s", got)
	}
}

func TestBandsAndWords(t *testing.T) {
	const evil = `<b>"x"`
	c := Chart{Title: evil, Note: evil, X: Time(100), Format: plain, Lines: []Line{{Name: evil, Color: 1, Points: []Point{At(0, 1), At(100, 2)}}},
		Bands: []Band{{"open", 0, 40}, {evil, 40, 100}, {"empty", 100, 100}}}
	text := draw(t, c)
	for _, want := range []string{`left:0%;width:40%`, `left:40%;width:60%`, `x="2400" width="3600"`, "1 open", "2 " + html.EscapeString(evil)} {
		if !strings.Contains(text, want) && !strings.Contains(text, strings.ReplaceAll(want, "&#34;", `"`)) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, evil) || strings.Contains(text, "empty") {
		t.Error("markup got through, or a band of no width")
	}
}
