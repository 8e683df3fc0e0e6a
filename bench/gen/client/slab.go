package client

const chunkConns = 1024

// slab holds the connections of a thread by slot. It grows in chunks: no connection ever moves, and a million take little
// more than their size.
type slab struct {
	chunks []*[chunkConns]conn
	n      int
}

// len is the number of slots, in use or free.
func (s *slab) len() int { return s.n }

// at returns the connection of a slot.
func (s *slab) at(slot int32) *conn { return &s.chunks[slot/chunkConns][slot%chunkConns] }

// add returns the connection of a new slot.
func (s *slab) add() *conn {
	if s.n%chunkConns == 0 {
		s.chunks = append(s.chunks, new([chunkConns]conn))
	}
	c := s.at(int32(s.n))
	c.slot = int32(s.n)
	s.n++
	return c
}

// each calls f with every connection, from slot first on and round again, until f returns false.
func (s *slab) each(first int32, f func(*conn) bool) {
	for i := range s.n {
		if !f(s.at(int32((int(first) + i) % s.n))) {
			return
		}
	}
}
