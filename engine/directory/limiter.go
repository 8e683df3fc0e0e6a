package directory

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"stentor/engine/address"
)

// Limiter bounds how often an address may ask, in memory that does not grow with the addresses. An address has two of its
// places, found with a secret; it is refused when both are used up. So an address that shares one of them with another that
// asks too often is still served.
type Limiter struct {
	each   int64 // ns that one request counts for
	burst  int64 // ns that may have been used up in advance
	seed   maphash.Seed
	places [limiterPlaces]atomic.Int64 // until when each is used up, in ns since began
	began  time.Time
}

const limiterPlaces = 1 << 16

// NewLimiter allows an address so many requests a second, and so many at once. Carriers have thousands of clients behind one
// address.
func NewLimiter(perSecond, burst int) *Limiter {
	each := int64(time.Second) / int64(max(1, perSecond))
	return &Limiter{each: each, burst: each * int64(max(1, burst)), seed: maphash.MakeSeed(), began: time.Now()}
}

// Allow counts a request. An IPv6 address counts as its /64.
func (l *Limiter) Allow(a netip.Addr, now time.Time) bool {
	at, hash := now.Sub(l.began).Nanoseconds(), maphash.Comparable(l.seed, address.Client(a))
	first := l.take(&l.places[hash%limiterPlaces], at)
	second := l.take(&l.places[hash>>32%limiterPlaces], at)
	return first || second
}

func (l *Limiter) take(place *atomic.Int64, at int64) bool {
	for {
		used := place.Load()
		from := max(used, at)
		if used-at > l.burst { // more than can be used up: the caller's clock went back
			from = at
		}
		if from+l.each-at > l.burst {
			return false
		}
		if place.CompareAndSwap(used, from+l.each) {
			return true
		}
	}
}
