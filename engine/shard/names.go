package shard

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// names is a project's logs in the order of their names as clients write them, so that a listing can begin and go on
// anywhere. They stand in blocks: a new one moves a block's pointers, not all.
type names struct{ blocks [][]*log }

// blockLogs is the most logs of a block; one that is full becomes two.
const blockLogs = 512

// shown is the destination as clients write it.
func (l *log) shown() string {
	if l.kind == userQueue {
		return userPrefix + l.name
	}
	return l.name
}

// compare is cmp.Compare(l.shown(), name) without making the string.
func (l *log) compare(name string) int {
	if l.kind != userQueue {
		return cmp.Compare(l.name, name)
	}
	head := name[:min(len(name), len(userPrefix))]
	if head != userPrefix {
		return cmp.Compare(userPrefix, head)
	}
	return cmp.Compare(l.name, name[len(userPrefix):])
}

// place is where the first log stands whose name is not below name.
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

func (n *names) add(l *log) {
	block, at := n.place(l.shown())
	if block == len(n.blocks) {
		if block == 0 {
			n.blocks = append(n.blocks, []*log{l})
			return
		}
		block--
		at = len(n.blocks[block])
	}
	b := slices.Insert(n.blocks[block], at, l)
	n.blocks[block] = b
	if len(b) >= blockLogs {
		n.blocks[block] = b[: len(b)/2 : len(b)/2]
		n.blocks = slices.Insert(n.blocks, block+1, slices.Clone(b[len(b)/2:]))
	}
}

func (n *names) remove(l *log) {
	name := l.shown()
	block, at := n.place(name)
	for ; block < len(n.blocks); block, at = block+1, 0 {
		b := n.blocks[block]
		for ; at < len(b) && b[at].compare(name) == 0; at++ {
			if b[at] != l {
				continue // another kind of log with the same name
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

// from are the logs whose names are not below name.
func (n *names) from(name string) iter.Seq[*log] {
	return func(yield func(*log) bool) {
		block, at := n.place(name)
		for ; block < len(n.blocks); block, at = block+1, 0 {
			for _, l := range n.blocks[block][at:] {
				if !yield(l) {
					return
				}
			}
		}
	}
}
