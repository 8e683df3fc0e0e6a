package chart

import "math"

// Point is a value, or the mean, the lowest and the highest of neighbouring values. A Y of NaN is a gap.
type Point struct{ X, Y, Low, High float64 }

// At is one value.
func At(x, y float64) Point { return Point{x, y, y, y} }

// Gap is a place without a value.
func Gap(x float64) Point { return At(x, math.NaN()) }

// Thin merges neighbours until at most `most` points remain. Low and High keep every peak and dip.
func Thin(all []Point, most int) []Point {
	if len(all) <= most {
		return all
	}
	each := (len(all) + most - 1) / most
	thin := make([]Point, 0, most)
	for len(all) > 0 {
		n := min(each, len(all))
		thin = append(thin, join(all[:n]))
		all = all[n:]
	}
	return thin
}

func join(some []Point) Point {
	p := Point{X: some[len(some)-1].X, Low: math.Inf(1), High: math.Inf(-1)}
	n := 0
	for _, q := range some {
		if math.IsNaN(q.Y) {
			continue
		}
		n++
		p.Y += q.Y
		p.Low, p.High = math.Min(p.Low, q.Low), math.Max(p.High, q.High)
	}
	if n == 0 {
		return Gap(p.X)
	}
	p.Y /= float64(n)
	return p
}

// bounds returns the lowest value above 0 and the highest value. Both are 0 when there is none.
func bounds(lines []Line) (least, most float64) {
	for _, l := range lines {
		for _, p := range l.Points {
			if math.IsNaN(p.Y) {
				continue
			}
			most = math.Max(most, p.High)
			if p.Low > 0 && (least == 0 || p.Low < least) {
				least = p.Low
			}
		}
	}
	return least, most
}
