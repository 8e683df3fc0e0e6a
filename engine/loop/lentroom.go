package loop

import (
	"net/netip"
	"sync"

	"stentor/engine/address"
)

// lentRoom bounds what clients of lent connections have sent and nobody has read. Each connection has lentAllowance; what it
// sends beyond must leave room to others: an address gets no more than an eighth of what is left, and so does a connection whose
// client is not known. An address that took an eighth with each of its connections left nothing to anybody.
type lentRoom struct {
	each int   // that one connection may have
	all  int64 // that all may have beyond the allowance

	mu   sync.Mutex
	used int64
	of   map[netip.Addr]int64 // by whom
}

const lentAllowance = 4 << 10

// beyond is how much of n is beyond the allowance.
func beyond(n int) int64 { return int64(max(0, n-lentAllowance)) }

// take counts more bytes of a connection that has held, and reports whether there was room. client is not valid when nobody knows
// whose the connection is.
func (r *lentRoom) take(client netip.Addr, held, more int) bool {
	grows := beyond(held+more) - beyond(held)
	if grows == 0 {
		return true
	}
	client = address.Client(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	has := beyond(held)
	if client.IsValid() {
		has = r.of[client]
	}
	if has+grows > (r.all-r.used)/8 {
		return false
	}
	r.count(client, grows)
	return true
}

// give counts bytes less of a connection that has held.
func (r *lentRoom) give(client netip.Addr, held, less int) {
	if shrinks := beyond(held-less) - beyond(held); shrinks != 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.count(address.Client(client), shrinks)
	}
}

// count adds to what is used. The caller has mu.
func (r *lentRoom) count(client netip.Addr, bytes int64) {
	r.used += bytes
	if !client.IsValid() {
		return
	}
	if n := r.of[client] + bytes; n != 0 {
		r.of[client] = n
	} else {
		delete(r.of, client)
	}
}

// taken is how much is used.
func (r *lentRoom) taken() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}
