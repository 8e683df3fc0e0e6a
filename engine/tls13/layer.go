package tls13

import (
	"crypto/cipher"
	"math/rand/v2"
)

// CipherBytes is what one AEAD takes that is kept: AES-128-GCM some 740 bytes, the others less or little more.
const CipherBytes = 768

// admission: once the Layer is full, one of so many AEADs that are made takes the place of another one. A round over more
// connections than there are places would otherwise replace each AEAD just before it is needed again.
const admission = 8

// Layer is the record layer of one event loop. It keeps outbound AEADs, because making one for each record costs more than
// sealing it. Those of the inbound half are made for each Open: clients send little. It is not for concurrent use.
type Layer struct {
	nonce [ivSize]byte // of the record at hand; the interface cipher.AEAD would make a local one escape
	most  int
	// updateAfter is how many records are sealed with one key.
	updateAfter uint64
	places      []place
	free        []uint32 // numbers of places
	stats       Stats
}

// place has the AEAD of one connection.
type place struct {
	aead cipher.AEAD
	of   *Records // nil: it is free
	used bool     // since it was last looked at for another connection
}

// Stats of a Layer.
type Stats struct {
	Kept       int    // AEADs now
	Hits       uint64 // records were sealed with an AEAD that was kept
	Misses     uint64 // one was made
	KeyUpdates uint64 // both ways
}

// NewLayer returns a Layer that keeps AEADs of at most so many bytes in all.
func NewLayer(bytes int) *Layer { return &Layer{most: bytes / CipherBytes, updateAfter: updateAfter} }

// Stats is what happened so far.
func (l *Layer) Stats() Stats {
	s := l.stats
	s.Kept = len(l.places) - len(l.free)
	return s
}

// Forget ends r, whose connection is gone: it releases its AEAD and wipes its secrets.
func (l *Layer) Forget(r *Records) {
	if i := l.find(r); i >= 0 {
		l.places[i] = place{}
		l.free = append(l.free, uint32(i))
	}
	*r = Records{}
}

// find is where the AEAD of r is kept, -1 when it is not.
func (l *Layer) find(r *Records) int {
	i := int(r.place) - 1
	if i < 0 || i >= len(l.places) || l.places[i].of != r {
		return -1
	}
	return i
}

// outbound is the AEAD with which records for r are sealed.
func (l *Layer) outbound(r *Records) (cipher.AEAD, error) {
	if i := l.find(r); i >= 0 {
		p := &l.places[i]
		p.used = true
		l.stats.Hits++
		return p.aead, nil
	}
	l.stats.Misses++
	aead, err := r.out.aead(r.suite())
	if err == nil {
		l.keep(r, aead)
	}
	return aead, err
}

// keep gives an AEAD that was made for r a place, if there is one for it.
func (l *Layer) keep(r *Records, aead cipher.AEAD) {
	var i int
	switch {
	case len(l.free) > 0:
		i = int(l.free[len(l.free)-1])
		l.free = l.free[:len(l.free)-1]
	case len(l.places) < l.most:
		i = len(l.places)
		l.places = append(l.places, place{})
	case l.most == 0 || rand.Uint32N(admission) > 0:
		return
	default:
		i = l.victim()
	}
	l.places[i] = place{aead: aead, of: r}
	r.place = uint32(i) + 1
}

// victim is a place whose AEAD was not used since the last look at it, if one of a few has that.
func (l *Layer) victim() (i int) {
	for range 4 {
		i = rand.IntN(len(l.places))
		if !l.places[i].used {
			break
		}
		l.places[i].used = false
	}
	return i
}

// renewed gives the place of r, if it has one, the AEAD of its new key.
func (l *Layer) renewed(r *Records, aead cipher.AEAD) {
	if i := l.find(r); i >= 0 {
		l.places[i].aead = aead
	}
}
