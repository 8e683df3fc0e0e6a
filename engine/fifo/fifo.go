// Package fifo has a first-in first-out list that reuses its array.
package fifo

import "slices"

// List is a first-in first-out list. The zero value is empty and ready. It is not safe for concurrent use.
type List[T any] struct {
	items []T
	first int
}

// keep is the array that an empty list keeps for the next items.
const keep = 1024

// Len is how many items there are.
func (l *List[T]) Len() int { return len(l.items) - l.first }

// At returns item i; the oldest is 0.
func (l *List[T]) At(i int) T { return l.items[l.first+i] }

// Push adds an item behind the last.
func (l *List[T]) Push(item T) { l.items = append(l.items, item) }

// Pop removes the oldest item and returns it.
func (l *List[T]) Pop() T {
	var none T
	item := l.items[l.first]
	l.items[l.first] = none
	l.first++
	l.compact()
	return item
}

// Drop removes the n oldest items.
func (l *List[T]) Drop(n int) {
	if l.first += n; l.first < len(l.items) || cap(l.items) <= keep { // else the array goes
		clear(l.items[l.first-n : l.first])
	}
	l.compact()
}

func (l *List[T]) compact() {
	switch {
	case l.first == len(l.items):
		l.items, l.first = l.items[:0], 0
		if cap(l.items) > keep {
			l.items = nil
		}
	case l.first > 32 && l.first > len(l.items)/2:
		l.items = slices.Delete(l.items, 0, l.first)
		l.first = 0
	}
}

// Items are all items, the oldest first, until the next change.
func (l *List[T]) Items() []T { return l.items[l.first:] }
