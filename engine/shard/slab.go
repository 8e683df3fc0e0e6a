package shard

// slab keeps values of one type in chunks, by number: no object of its own for each, pointers stay valid, and a
// number is half a pointer. Number 0 is never used.
type slab[T any] struct {
	chunks []*[chunk]T
	free   []uint32
	used   uint32
}

const (
	chunkBits = 9
	chunk     = 1 << chunkBits
)

func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	s.used++
	if int(s.used)>>chunkBits == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunk]T))
	}
	return s.used
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>chunkBits][i&(chunk-1)] }

func (s *slab[T]) release(i uint32) { s.free = append(s.free, i) }
