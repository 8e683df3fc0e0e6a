package destination

import (
	"cmp"
	"slices"
	"strings"
)

// Index finds which of many patterns match a destination, at a cost that depends on how the patterns differ and not on
// how many there are; see Steps. The zero value is empty. It is for one goroutine at a time.
//
// It is a trie of segments. A look-up visits each node at most once: what precedes a pattern's "**" is compared from the
// left, what follows it from the right, and there is one "**" at most.
type Index[T any] struct {
	root node[T]
	size int
}

// node is reached by the segments that some patterns have in common.
type node[T any] struct {
	ends    []end[T]    // patterns that end here, in order of their texts
	choices []choice[T] // by all other segments, in order of their prefixes' lengths
	any     *node[T]    // by the segment "*"
	deep    *node[T]    // by "**"; from there on the segments are taken from the right
	steps   int         // of a look-up that comes here, at worst
}

type end[T any] struct {
	text  string
	slash slash
	value T
}

// slash says which destinations an end matches.
type slash uint8

const (
	slashNo slash = iota
	slashYes
	slashEither
)

// choice are segments of which a destination's fits one group at most: those that are equal in all of their bytes, or
// in as many in front of the first wildcard.
type choice[T any] struct {
	prefix  int // wholeSegment, or how many bytes
	longest int // no key has more
	dearest int // steps of the group that takes most
	groups  map[string]*group[T]
}

const wholeSegment = -1

type group[T any] struct {
	branches []branch[T] // in order of what is left of the segments behind the prefix
	steps    int
}

type branch[T any] struct {
	rest  string // of the segment
	steps int    // of the segment
	node  *node[T]
}

// Len is how many patterns there are.
func (x *Index[T]) Len() int { return x.size }

// Steps is the worst-case cost of a look-up, whatever the destination is: at most what Pattern.Steps says of each pattern
// and literalSteps in all, and much less where patterns exclude each other, as "/a/*/b" and "/a/*/c" do.
func (x *Index[T]) Steps() int { return x.root.steps }

// Put adds a pattern, or replaces its value. It keeps parts of the pattern's text.
func (x *Index[T]) Put(p *Pattern, value T) {
	if x.root.put(p.glob.path(), end[T]{p.text, p.glob.ending(), value}) {
		x.size++
	}
}

// Remove removes a pattern, if the index has it.
func (x *Index[T]) Remove(p *Pattern) {
	if x.root.remove(p.glob.path(), p.text) {
		x.size--
	}
}

// AppendMatches appends the values of the patterns that match dest. Their order depends only on which patterns are in
// the index.
func (x *Index[T]) AppendMatches(dst []T, dest string) []T {
	if x.size == 0 || dest == "" || dest[0] != '/' {
		return dst
	}
	l := lookup[T]{found: dst}
	if dest[len(dest)-1] == '/' {
		l.slash = slashYes
	}
	l.forward(&x.root, dest)
	return l.found
}

type lookup[T any] struct {
	found []T
	slash slash // of the destination
}

// forward visits a node that the destination's first segments lead to; rest is what follows them.
func (l *lookup[T]) forward(n *node[T], rest string) {
	if n.deep != nil {
		l.backward(n.deep, rest)
	}
	seg, rest := first(rest)
	if seg == "" {
		l.take(n, l.slash)
		if n.any != nil && l.slash == slashYes {
			l.take(n.any, slashEither) // "/a/*" and "/a/*/" both take "/a/"
		}
		return
	}
	for i := range n.choices {
		left, branches := n.choices[i].fitting(seg)
		for j := range branches {
			if b := &branches[j]; matchSegment(b.rest, left, "") {
				l.forward(b.node, rest)
			}
		}
	}
	if n.any != nil {
		l.forward(n.any, rest)
	}
}

// backward visits a node behind "**" that the destination's last segments lead to; rest is what "**" can take.
func (l *lookup[T]) backward(n *node[T], rest string) {
	l.take(n, l.slash)
	seg, rest := last(rest)
	if seg == "" {
		return
	}
	for i := range n.choices {
		left, branches := n.choices[i].fitting(seg)
		for j := range branches {
			if b := &branches[j]; matchSegment(b.rest, left, "") {
				l.backward(b.node, rest)
			}
		}
	}
	if n.any != nil {
		l.backward(n.any, rest)
	}
}

func (l *lookup[T]) take(n *node[T], s slash) {
	for i := range n.ends {
		if e := &n.ends[i]; e.slash == s || e.slash == slashEither || s == slashEither {
			l.found = append(l.found, e.value)
		}
	}
}

// fitting are the branches whose prefix seg has, and what is left of seg behind it.
func (c *choice[T]) fitting(seg string) (left string, branches []branch[T]) {
	key := seg
	switch {
	case c.prefix == wholeSegment && len(seg) > c.longest, len(seg) < c.prefix:
		return "", nil
	case c.prefix != wholeSegment:
		key = seg[:c.prefix]
	}
	if g := c.groups[key]; g != nil {
		return seg[len(key):], g.branches
	}
	return "", nil
}

// path walks over a glob's segments in the order in which a look-up compares them.
type path struct {
	head, tail   string
	deep, behind bool
}

func (g *glob) path() path { return path{head: g.head, tail: g.tail, deep: g.deep} }

// ending says which destinations g matches once all of its segments fit.
func (g *glob) ending() slash {
	switch {
	case g.deep && g.tail == "":
		return slashEither
	case g.slash:
		return slashYes
	}
	return slashNo
}

// next is the next segment, "**" on the way from the head to the tail, and "" at the end.
func (p *path) next() (seg string) {
	if p.behind {
		seg, p.tail = last(p.tail)
		return seg
	}
	if seg, p.head = first(p.head); seg == "" && p.deep {
		p.behind = true
		return "**"
	}
	return seg
}

func (n *node[T]) put(p path, e end[T]) (added bool) {
	switch seg := p.next(); seg {
	case "":
		at, known := n.findEnd(e.text)
		if added = !known; added {
			n.ends = slices.Insert(n.ends, at, e)
		} else {
			n.ends[at] = e
		}
	case "*":
		if n.any == nil {
			n.any = &node[T]{}
		}
		added = n.any.put(p, e)
	case "**":
		if n.deep == nil {
			n.deep = &node[T]{}
		}
		added = n.deep.put(p, e)
	default:
		prefix, key, rest := cutPrefix(seg)
		at, known := n.findChoice(prefix)
		if !known {
			n.choices = slices.Insert(n.choices, at, choice[T]{prefix: prefix, groups: map[string]*group[T]{}})
		}
		added = n.choices[at].put(key, rest, p, e)
	}
	n.count()
	return added
}

func (c *choice[T]) put(key, rest string, p path, e end[T]) (added bool) {
	g := c.groups[key]
	if g == nil {
		g = &group[T]{}
		c.groups[key] = g
		c.longest = max(c.longest, len(key))
	}
	at, known := g.find(rest)
	if !known {
		g.branches = slices.Insert(g.branches, at, branch[T]{rest, segmentSteps(key, rest), &node[T]{}})
	}
	added = g.branches[at].node.put(p, e)
	c.recount(g)
	return added
}

func (n *node[T]) remove(p path, text string) (removed bool) {
	switch seg := p.next(); seg {
	case "":
		var at int
		if at, removed = n.findEnd(text); removed {
			n.ends = slices.Delete(n.ends, at, at+1)
		}
	case "*":
		if n.any != nil {
			removed = n.any.remove(p, text)
			n.any = n.any.orNil()
		}
	case "**":
		if n.deep != nil {
			removed = n.deep.remove(p, text)
			n.deep = n.deep.orNil()
		}
	default:
		prefix, key, rest := cutPrefix(seg)
		at, known := n.findChoice(prefix)
		if !known {
			return false
		}
		removed = n.choices[at].remove(key, rest, p, text)
		if len(n.choices[at].groups) == 0 {
			n.choices = slices.Delete(n.choices, at, at+1)
		}
	}
	n.count()
	return removed
}

func (c *choice[T]) remove(key, rest string, p path, text string) (removed bool) {
	g := c.groups[key]
	if g == nil {
		return false
	}
	at, known := g.find(rest)
	if !known {
		return false
	}
	child := g.branches[at].node
	if removed = child.remove(p, text); child.orNil() == nil {
		g.branches = slices.Delete(g.branches, at, at+1)
	}
	if len(g.branches) == 0 {
		delete(c.groups, key)
	}
	c.recount(g)
	return removed
}

// orNil is nil when there is nothing at n or behind it.
func (n *node[T]) orNil() *node[T] {
	if len(n.ends)+len(n.choices) == 0 && n.any == nil && n.deep == nil {
		return nil
	}
	return n
}

// cutPrefix cuts a segment at its first wildcard.
func cutPrefix(seg string) (prefix int, key, rest string) {
	if prefix = strings.IndexAny(seg, "*?"); prefix < 0 {
		return wholeSegment, seg, ""
	}
	return prefix, seg[:prefix], seg[prefix:]
}

func (n *node[T]) findEnd(text string) (at int, known bool) {
	return slices.BinarySearchFunc(n.ends, text, func(e end[T], text string) int { return cmp.Compare(e.text, text) })
}

func (n *node[T]) findChoice(prefix int) (at int, known bool) {
	return slices.BinarySearchFunc(n.choices, prefix, func(c choice[T], prefix int) int { return c.prefix - prefix })
}

func (g *group[T]) find(rest string) (at int, known bool) {
	return slices.BinarySearchFunc(g.branches, rest, func(b branch[T], rest string) int { return cmp.Compare(b.rest, rest) })
}
