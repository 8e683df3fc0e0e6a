package admin

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"

	"stentor/engine/shard"
)

// leaders are the most subscribed of many destinations: a heap with the least of them first.
type leaders struct {
	limit int
	all   []shard.DestinationInfo
	total int
}

// order is by subscriptions, the most first, then by name.
func order(x, y *shard.DestinationInfo) int {
	return cmp.Or(cmp.Compare(y.Subscriptions, x.Subscriptions), strings.Compare(x.Destination, y.Destination))
}

func (l *leaders) Len() int           { return len(l.all) }
func (l *leaders) Less(i, j int) bool { return order(&l.all[i], &l.all[j]) > 0 }
func (l *leaders) Swap(i, j int)      { l.all[i], l.all[j] = l.all[j], l.all[i] }
func (l *leaders) Push(x any)         { l.all = append(l.all, x.(shard.DestinationInfo)) }

// Pop implements heap.Interface; it is not used.
func (l *leaders) Pop() any { panic("nothing is taken from a heap of leaders") }

func (l *leaders) add(some []shard.DestinationInfo) {
	l.total += len(some)
	for i := range some {
		switch {
		case len(l.all) < l.limit:
			heap.Push(l, some[i])
		case order(&some[i], &l.all[0]) < 0:
			l.all[0] = some[i]
			heap.Fix(l, 0)
		}
	}
}

// sorted returns them, the most subscribed first.
func (l *leaders) sorted() []shard.DestinationInfo {
	slices.SortFunc(l.all, func(x, y shard.DestinationInfo) int { return order(&x, &y) })
	return l.all
}
