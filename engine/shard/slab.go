package shard

import "math/bits"

// slab keeps values of one type in chunks, by number: a value is no object of its own, pointers stay valid, and a number
// takes half of a pointer. Number 0 is never used. The lowest free number is given out first, so that the upper chunks
// become empty when fewer values are left; trim releases those.
type slab[T any] struct {
	chunks []*[chunk]T
	slots  []slots
	room   []uint64  // a bit for each chunk: it has a free slot
	none   *[chunk]T // stands for each released chunk: zero values, which nobody writes to
	used   uint32    // the highest number that was ever given out
	live   int       // values
	empty  int       // chunks without a value that are kept
}

// slots says which slots of a chunk are free.
type slots struct {
	free [chunk / 64]uint64
	live uint16
}

const (
	chunkBits = 9
	chunk     = 1 << chunkBits
)

func (s *slab[T]) take() uint32 {
	n := s.roomy()
	c := &s.slots[n]
	if s.chunks[n] == s.none {
		s.chunks[n] = new([chunk]T)
	} else if c.live == 0 {
		s.empty--
	}
	word := 0
	for c.free[word] == 0 {
		word++
	}
	bit := bits.TrailingZeros64(c.free[word])
	c.free[word] &^= 1 << bit
	if c.live++; c.live == chunk {
		s.room[n/64] &^= 1 << (n % 64)
	}
	i := uint32(n<<chunkBits + word*64 + bit)
	s.used = max(s.used, i)
	s.live++
	return i
}

// roomy is the first chunk with a free slot.
func (s *slab[T]) roomy() int {
	for i, word := range s.room {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	n := len(s.chunks)
	if n%64 == 0 {
		s.room = append(s.room, 0)
	}
	s.room[n/64] |= 1 << (n % 64)
	var c slots
	for i := range c.free {
		c.free[i] = ^uint64(0)
	}
	if n == 0 {
		c.free[0], c.live = c.free[0]&^1, 1 // number 0
	} else {
		s.empty++ // until take, which asked for it
	}
	s.chunks, s.slots = append(s.chunks, new([chunk]T)), append(s.slots, c)
	return n
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&(chunk-1)] }

func (s *slab[T]) release(i uint32) {
	n, slot := int(i>>chunkBits), i&(chunk-1)
	c := &s.slots[n]
	c.free[slot/64] |= 1 << (slot % 64)
	s.room[n/64] |= 1 << (n % 64)
	s.live--
	if c.live--; c.live == 0 {
		s.empty++
	}
}

// trim releases the chunks without a value, except the first of them: values that come and go at a chunk's edge must not
// make and drop one each time. After it, a pointer that at returned for a free number must not be used.
func (s *slab[T]) trim() {
	if s.empty <= 1 {
		return
	}
	if s.none == nil {
		s.none = new([chunk]T)
	}
	kept := false
	for n := range s.chunks {
		switch {
		case s.slots[n].live > 0 || s.chunks[n] == s.none:
		case kept:
			s.chunks[n] = s.none
		default:
			kept = true
		}
	}
	s.empty = 1
}
