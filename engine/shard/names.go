package shard

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// names is a project's targets in the order of their names as clients write them, so that a listing can begin and go on
// anywhere. They stand in blocks: a new one moves a block's pointers, not all.
type names struct{ blocks [][]*target }

// blockTargets is the most targets of a block; one that is full becomes two.
const blockTargets = 512

// shown is the destination as clients write it.
func (t *target) shown() string {
	if t.log == nil {
		return userPrefix + t.name
	}
	return t.name
}

// compare is cmp.Compare(t.shown(), name) without making the string.
func (t *target) compare(name string) int {
	if t.log != nil {
		return cmp.Compare(t.name, name)
	}
	head := name[:min(len(name), len(userPrefix))]
	if head != userPrefix {
		return cmp.Compare(userPrefix, head)
	}
	return cmp.Compare(t.name, name[len(userPrefix):])
}

// place is the position of the first target whose name is not below name.
func (n *names) place(name string) (block, at int) {
	block = sort.Search(len(n.blocks), func(i int) bool {
		b := n.blocks[i]
		return b[len(b)-1].compare(name) >= 0
	})
	if block == len(n.blocks) {
		return block, 0
	}
	b := n.blocks[block]
	return block, sort.Search(len(b), func(i int) bool { return b[i].compare(name) >= 0 })
}

func (n *names) add(t *target) {
	block, at := n.place(t.shown())
	if block == len(n.blocks) {
		if block == 0 {
			n.blocks = append(n.blocks, []*target{t})
			return
		}
		block--
		at = len(n.blocks[block])
	}
	b := slices.Insert(n.blocks[block], at, t)
	n.blocks[block] = b
	if len(b) >= blockTargets {
		n.blocks[block] = b[: len(b)/2 : len(b)/2]
		n.blocks = slices.Insert(n.blocks, block+1, slices.Clone(b[len(b)/2:]))
	}
}

func (n *names) remove(t *target) {
	name := t.shown()
	block, at := n.place(name)
	for ; block < len(n.blocks); block, at = block+1, 0 {
		b := n.blocks[block]
		for ; at < len(b) && b[at].compare(name) == 0; at++ {
			if b[at] != t {
				continue // another kind of target with the same name
			}
			if n.blocks[block] = slices.Delete(b, at, at+1); len(b) == 1 {
				n.blocks = slices.Delete(n.blocks, block, block+1)
			}
			return
		}
		if at < len(b) {
			return
		}
	}
}

// from are the targets whose names are not below name.
func (n *names) from(name string) iter.Seq[*target] {
	return func(yield func(*target) bool) {
		block, at := n.place(name)
		for ; block < len(n.blocks); block, at = block+1, 0 {
			for _, t := range n.blocks[block][at:] {
				if !yield(t) {
					return
				}
			}
		}
	}
}
