package loop

import "sync/atomic"

// lentRoom bounds what clients of lent connections have sent and nobody has read. Each connection has lentAllowance; what it
// sends beyond must leave room to others: a connection gets no more than an eighth of what is left.
type lentRoom struct {
	each int   // that one connection may have
	all  int64 // that all may have beyond the allowance
	used atomic.Int64
}

const lentAllowance = 4 << 10

// beyond is how much of n is beyond the allowance.
func beyond(n int) int64 { return int64(max(0, n-lentAllowance)) }

// take counts more bytes of a connection that has held, and reports whether there was room.
func (r *lentRoom) take(held, more int) bool {
	grows := beyond(held+more) - beyond(held)
	if grows == 0 {
		return true
	}
	if beyond(held+more) > (r.all-r.used.Load())/8 {
		return false
	}
	r.used.Add(grows)
	return true
}

// give counts bytes less of a connection that has held.
func (r *lentRoom) give(held, less int) { r.used.Add(beyond(held-less) - beyond(held)) }
