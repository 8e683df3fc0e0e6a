package chart

import (
	_ "embed"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Most is how many points a line should have at most: more than a screen can show only make the page larger.
const Most = 600

// Chart is lines over a common axis.
type Chart struct {
	Title, Note string
	X           Scale
	Base        int  // 0 or 10; 2 for sizes in bytes
	Log         bool // of the y axis
	Format      func(float64) string
	Lines       []Line
	Bands       []Band
	Tall        bool
}

// Line is one line of a chart.
type Line struct {
	Name   string
	Color  int // 1 to 8
	Dashed bool
	Fill   bool // the area below it
	Peaks  bool // the line goes through the highest values of thinned points, not through their means
	Points []Point
}

// Band marks a part of the x axis.
type Band struct {
	Name     string
	From, To float64
}

// The units of the SVG. It is stretched, so they are not pixels, only fine enough.
const (
	width  = 6000
	height = 1000
)

//go:embed chart.css
var style string

// Style is the style sheet of the charts' layout.
func Style() template.CSS { return template.CSS(style) }

//go:embed chart.html
var markup string

var page = template.Must(template.New("chart").Parse(markup))

// HTML draws the chart as a figure element. It is empty when no line has a value.
func (c *Chart) HTML() (template.HTML, error) {
	d, ok := c.draw()
	if !ok {
		return "", nil
	}
	var b strings.Builder
	err := page.Execute(&b, d)
	return template.HTML(b.String()), err
}

// drawing is what the template writes.
type drawing struct {
	Title, Note, Words string
	Tall               bool
	Y, X               []mark
	Bands              []span
	Lines              []stroke
}

// mark is a tick in percent from the left or from the top, and its line in the SVG.
type mark struct {
	Place      float64
	Line       int
	Text, Kind string
}

type span struct {
	Left, Width float64
	X, W        int
	Number      int
	Text        string
	Odd         bool
}

type stroke struct {
	Class, Name, Peak       string
	Path, Dots, Area, Range string
}

func (c *Chart) draw() (d drawing, ok bool) {
	least, most := bounds(c.Lines)
	var y Scale
	if c.Log {
		y = Logarithmic(least, most, c.Format)
	} else {
		y = Linear(most, c.Base, c.Format)
	}
	d = drawing{Title: c.Title, Note: c.Note, Tall: c.Tall}
	for _, t := range y.Ticks {
		at := 1 - y.at(t.Value)
		d.Y = append(d.Y, mark{Place: percent(at), Line: int(at * height), Text: t.Text})
	}
	for _, t := range c.X.Ticks {
		at := c.X.at(t.Value)
		m := mark{Place: percent(at), Line: int(at * width), Text: t.Text}
		switch {
		case at > 0.96:
			m.Kind = "end"
		case t.Minor:
			m.Kind = "minor"
		}
		d.X = append(d.X, m)
	}
	for i, b := range c.Bands {
		from, to := c.X.at(b.From), c.X.at(b.To)
		if to <= from {
			continue
		}
		d.Bands = append(d.Bands, span{
			Left: percent(from), Width: percent(to - from), X: int(from * width), W: int((to - from) * width),
			Number: i + 1, Text: b.Name, Odd: i%2 == 1,
		})
	}
	words := []string{c.Title}
	for _, l := range c.Lines {
		s, highest, some := c.stroke(l, &y)
		if !some {
			continue
		}
		ok = true
		s.Peak = c.Format(highest)
		words = append(words, l.Name+": at most "+s.Peak)
		d.Lines = append(d.Lines, s)
	}
	d.Words = strings.Join(words, "; ")
	return d, ok
}

func percent(at float64) float64 { return math.Round(at*1e4) / 100 }

// stroke draws l. some is false when it has no value at all.
func (c *Chart) stroke(l Line, y *Scale) (s stroke, highest float64, some bool) {
	s = stroke{Name: l.Name, Class: "s" + strconv.Itoa(l.Color)}
	if l.Dashed {
		s.Class += " dashed"
	}
	var path, dots, area, spread strings.Builder
	for run := range runs(l.Points) {
		some = true
		line, top, bottom := make([]place, len(run)), make([]place, len(run)), make([]place, len(run))
		wide := false
		for i, p := range run {
			highest = math.Max(highest, p.High)
			x, v := int(c.X.at(p.X)*width), p.Y
			if l.Peaks {
				v = p.High
			}
			line[i] = place{x, int((1 - y.at(v)) * height)}
			top[i], bottom[i] = place{x, int((1 - y.at(p.High)) * height)}, place{x, int((1 - y.at(p.Low)) * height)}
			wide = wide || top[i] != bottom[i]
		}
		if len(run) == 1 {
			appendPath(&dots, line)
			dots.WriteString("h0")
			continue
		}
		appendPath(&path, line)
		if l.Fill {
			appendPath(&area, line)
			area.WriteString("V" + strconv.Itoa(height) + "H" + strconv.Itoa(line[0].x) + "z")
		}
		if wide && !l.Peaks {
			appendPath(&spread, top)
			for i := len(bottom) - 1; i >= 0; i-- {
				spread.WriteString("L" + strconv.Itoa(bottom[i].x) + " " + strconv.Itoa(bottom[i].y))
			}
			spread.WriteByte('z')
		}
	}
	s.Path, s.Dots, s.Area, s.Range = path.String(), dots.String(), area.String(), spread.String()
	return s, highest, some
}

// runs yields the pieces between gaps.
func runs(all []Point) func(func([]Point) bool) {
	return func(yield func([]Point) bool) {
		start := 0
		for i := 0; i <= len(all); i++ {
			if i < len(all) && !math.IsNaN(all[i].Y) {
				continue
			}
			if i > start && !yield(all[start:i]) {
				return
			}
			start = i + 1
		}
	}
}

type place struct{ x, y int }

// appendPath draws a line through all, with relative steps because they are shorter to write. Straight pieces take one step.
func appendPath(b *strings.Builder, all []place) {
	last := all[0]
	b.WriteString("M" + strconv.Itoa(last.x) + " " + strconv.Itoa(last.y))
	for i := 1; i < len(all); i++ {
		p := all[i]
		if i+1 < len(all) && p.y == last.y && all[i+1].y == p.y {
			continue
		}
		if p.y == last.y {
			b.WriteString("h" + strconv.Itoa(p.x-last.x))
		} else {
			b.WriteString("l" + strconv.Itoa(p.x-last.x) + " " + strconv.Itoa(p.y-last.y))
		}
		last = p
	}
}
