package destination

import "strings"

// What a look-up does is counted in steps of some 10 ns: a visit of a node of an Index takes about as long. The costs below are
// those of the worst destination, one with a single segment that is as long as the destination may be.
const (
	// keySteps is how many bytes are hashed in a step.
	keySteps = 64
	// compareSteps is how many bytes of a segment with wildcards are compared in a step.
	compareSteps = 16
	// searchSteps is what it takes to find a text of several bytes nowhere.
	searchSteps = 64
	// pieceSteps is the same for a text with '?' in it, for each of its bytes, and userSteps for one with a user's name.
	pieceSteps = 128
	userSteps  = 2048
)

// literalSteps bounds what a look-up takes in front of the first wildcard of all patterns: they exclude each other there.
const literalSteps = MaxSegments + MaxBytes/keySteps

// Steps is what p adds to the cost of a look-up at worst, whatever else is in an Index.
func (p *Pattern) Steps() int { return p.glob.steps() }

func (g *glob) steps() int {
	steps, wild := 1, false
	path := g.path()
	for {
		seg := path.next()
		if seg == "" {
			return steps
		}
		prefix, key, rest := cutPrefix(seg)
		wild = wild || prefix != wholeSegment || path.behind
		switch {
		case seg == "*" || seg == "**":
			steps++
		case wild:
			steps += choiceSteps(prefix) + segmentSteps(key, rest) + 1
		}
	}
}

// segmentBytes is what an Index holds for a segment that no other pattern has in the same place: a node, and the map that
// leads to it.
const segmentBytes = 450

// Bytes is how much memory p and its place in an Index take at most.
func (p *Pattern) Bytes() int {
	n := 128 + 2*len(p.text) // once more with the wildcards as symbols
	for path := p.glob.path(); path.next() != ""; {
		n += segmentBytes
	}
	return n
}

// choiceSteps is what it takes to look for a segment's prefix; that of a segment without wildcards is a part of the visit.
func choiceSteps(prefix int) int {
	if prefix == wholeSegment {
		return 0
	}
	return 1
}

// segmentSteps is what it takes to find a segment's prefix, and to compare the rest with a destination's.
func segmentSteps(key, rest string) int {
	steps := len(key) / keySteps
	if rest == "" {
		return steps
	}
	steps += 1 + len(rest)/compareSteps
	from, to := strings.IndexByte(rest, '*'), strings.LastIndexByte(rest, '*')
	if from == to {
		return steps
	}
	most := 0
	for piece := range strings.SplitSeq(rest[from:to], "*") {
		switch {
		case strings.IndexByte(piece, userMark) >= 0:
			most = max(most, userSteps+pieceSteps*len(piece))
		case strings.IndexByte(piece, '?') >= 0:
			most = max(most, pieceSteps*len(piece))
		case len(piece) > 1:
			most = max(most, searchSteps)
		case len(piece) == 1:
			most = max(most, 1)
		}
		steps++
	}
	return steps + most
}

// count computes the steps of n again, after something behind it has changed.
func (n *node[T]) count() {
	n.steps = 1 + len(n.ends)
	for i := range n.choices {
		n.steps += choiceSteps(n.choices[i].prefix) + n.choices[i].dearest
	}
	if n.any != nil {
		n.steps += n.any.steps
	}
	if n.deep != nil {
		n.steps += n.deep.steps
	}
}

// recount computes the steps of g again, after something behind it has changed, and finds the dearest group of c. A search
// through all of them is due only when g was the only one that takes so much.
func (c *choice[T]) recount(g *group[T]) {
	old := g.steps
	g.steps = 0
	for _, b := range g.branches {
		g.steps += b.steps + b.node.steps
	}
	if g.steps >= c.dearest {
		c.dearest = g.steps
		return
	}
	if old < c.dearest {
		return
	}
	before := c.dearest
	c.dearest = 0
	for _, other := range c.groups {
		if c.dearest = max(c.dearest, other.steps); c.dearest == before {
			return
		}
	}
}
