package history

import (
	"math/bits"
	"unsafe"
)

// What the parts of a history take in memory. Maps and lists grow in steps: the cost of a place in one is counted as if the
// whole were three quarters full.
const (
	mapPlace  = (int64(unsafe.Sizeof("")) + 8 + 1) * 3 / 2 // a key and a pointer
	listPlace = 8 * 2
	floorCost = int64(unsafe.Sizeof(floorPlace{})) * 2
)

// heap is what n bytes take on the heap: Go has eight size classes to each power of two, or nearly.
func heap(n int) int64 {
	if n <= 16 {
		return int64(n+7) &^ 7
	}
	step := max(16, 1<<(bits.Len(uint(n-1))-1)/8)
	return int64((n + step - 1) / step * step)
}

// cost is what an entry costs, without its chain: itself, what is encoded, its places in the ring and in the chain, its id.
func (e *Entry) cost() int64 {
	n := int64(unsafe.Sizeof(Entry{})) + heap(e.Message.Size()) + 2*listPlace
	if e.ID != "" {
		n += heap(len(e.ID)) + mapPlace
	}
	return n
}

// size is what a chain costs, without its pushes and its floor.
func (c *chain) size() int64 { return int64(unsafe.Sizeof(chain{})) + heap(len(c.key)) + mapPlace }
