package destination

import "unicode/utf8"

// covers says whether everything that p matches is matched by g too. A yes is always right. A no can be wrong, but not
// for patterns that are equal, that lie below a rule ending in "**", or whose segments are covered one by one.
func (g *glob) covers(p *glob, user string) bool {
	if !utf8.ValidString(user) {
		return false // it would be compared by character below
	}
	if !g.deep {
		// As many segments on both sides. With p.empty p also matches a destination with one segment less.
		if p.deep || g.slash != p.slash || p.empty && !g.empty {
			return false
		}
	}
	own, others := g.head, p.head
	for {
		var a, b string
		if a, own = first(own); a == "" {
			break
		}
		if b, others = first(others); b == "" || !coversSegment(a, b, user) {
			return false
		}
	}
	more, _ := first(others)
	if !g.deep {
		return more == ""
	}
	if p.empty && more == "" {
		return false // the segment that p may go without is one that g needs
	}
	if g.tail == "" {
		return true
	}
	if p.empty || g.slash != p.slash {
		return false
	}
	own = g.tail
	if p.deep {
		others = p.tail
	}
	for {
		var a, b string
		if a, own = last(own); a == "" {
			return true
		}
		if b, others = last(others); b == "" || !coversSegment(a, b, user) {
			return false
		}
	}
}

// The wildcards among the runes of an expanded segment.
const (
	anyOne  rune = -1
	anyMany rune = -2
)

// coversSegment says whether the segment b lies within the segment a. It matches b's symbols as if they were text: an
// ordinary character of a takes only the same, '?' takes one character or '?', '*' takes anything.
func coversSegment(a, b, user string) bool {
	var bufA, bufB [64]rune
	as, bs := expand(bufA[:0], a, user), expand(bufB[:0], b, "")
	i, star, from := 0, -1, 0
	for j := 0; j < len(bs); {
		switch {
		case i < len(as) && as[i] == anyMany:
			star, from = i, j
			i++
		case i < len(as) && (as[i] == bs[j] || as[i] == anyOne && bs[j] != anyMany):
			i++
			j++
		case star >= 0:
			// The last '*' takes one symbol more.
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return i == len(as) || i == len(as)-1 && as[i] == anyMany
}

// expand appends the symbols of a segment, {user} filled in. A run of wildcards becomes its '?' and then, if there is
// any, one '*': "*?" and "?*" are the same.
func expand(dst []rune, seg, user string) []rune {
	many := false
	for _, r := range seg {
		switch r {
		case '*':
			many = true
			continue
		case '?':
			dst = append(dst, anyOne)
			continue
		}
		if many {
			dst, many = append(dst, anyMany), false
		}
		if r != userMark {
			dst = append(dst, r)
			continue
		}
		for _, r := range EscapeUser(user) {
			dst = append(dst, r)
		}
	}
	if many {
		dst = append(dst, anyMany)
	}
	return dst
}
