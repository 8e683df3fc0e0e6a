package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/bus"
	"stentor/engine/deflate"
)

// Which pushes are compressed. Below packLeast the bytes that are saved are not worth a client's work, above packMost one push
// would keep the reader of the bus from those of other projects for longer than a slice.
const (
	packLeast = 512
	packMost  = 256 << 10
	// packGain is which part of a body must be saved. Both forms take room in history.
	packGain = 8
	// maxPackers bounds the memory: each has some 800 KB, once it is used.
	maxPackers = 4
)

// The time that compression may take, of one processor: a quarter in all, of which a project may use half. What is saved up is
// bounded.
const (
	packShare   = 4
	packSavings = 250 * time.Millisecond
)

// packing compresses the bodies of pushes, each once for all clients. Who publishes a push compresses it: the reader of the
// bus, a request of the API, a loop. None of them waits: a push that cannot be compressed now goes out plain.
type packing struct {
	now  func() int64 // ns
	free chan *packer

	mu   sync.Mutex
	left allowance // of all projects; each has its own, which mu guards as well

	outcomes [packOutcomes]atomic.Uint64
	before   atomic.Uint64 // bytes of the bodies that were compressed
	after    atomic.Uint64
	took     atomic.Int64 // ns
}

// packOutcome is what became of a push while some session wanted it compressed.
type packOutcome int

const (
	packed packOutcome = iota
	packSmall
	packLarge
	packUseless // it would have been hardly smaller
	packLimited // the time for it is used up
	packBusy    // other publishers use all packers
	packOutcomes
)

func (o packOutcome) String() string {
	return [packOutcomes]string{"compressed", "small", "large", "incompressible", "limited", "busy"}[o]
}

// packer is a compressor and what it has compressed.
type packer struct {
	deflate.Packer
	out []byte
}

func newPacking(now func() int64) *packing {
	p := &packing{now: now, free: make(chan *packer, min(maxPackers, runtime.GOMAXPROCS(0)))}
	for range cap(p.free) {
		p.free <- new(packer)
	}
	return p
}

// allowance is time that may be used. It grows with the clock.
type allowance struct{ left, at int64 }

// refill adds what has come since the last time: a part of the time that has passed, and of packSavings at most as much as packing
// has of it.
func (a *allowance) refill(now, part int64) {
	most := int64(packSavings) * packShare / part
	if a.at == 0 {
		a.left = most
	}
	a.left, a.at = min(most, a.left+(now-a.at)/part), now
}

// pack compresses the body of a push of t for the sessions that accept it. The result is valid until it is given back with
// done; there is none if the push goes out plain.
func (p *packing) pack(t *project, r *bus.Record) (body []byte, by *packer) {
	if t.packing.Load() == 0 || r.User != "" || r.Session != "" {
		return nil, nil
	}
	outcome := packBusy
	switch n := len(r.Body); {
	case n < packLeast:
		outcome = packSmall
	case n > packMost:
		outcome = packLarge
	case !p.allows(t):
		outcome = packLimited
	default:
		select {
		case by = <-p.free:
			outcome = p.compress(t, r.Body, by)
		default:
		}
	}
	p.outcomes[outcome].Add(1)
	if outcome != packed {
		p.done(by)
		return nil, nil
	}
	return by.out, by
}

// done gives a packer back.
func (p *packing) done(by *packer) {
	if by != nil {
		p.free <- by
	}
}

var nul = []byte{0}

func (p *packing) compress(t *project, body []byte, by *packer) packOutcome {
	begun := p.now()
	by.out = by.Pack(by.out[:0], body, nul)
	p.charge(t, p.now()-begun)
	if len(by.out)+deflate.StoredHeader > len(body)-len(body)/packGain {
		return packUseless
	}
	p.before.Add(uint64(len(body)))
	p.after.Add(uint64(len(by.out)))
	return packed
}

// allows reports whether there is time for a push of t.
func (p *packing) allows(t *project) bool {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left.refill(now, packShare)
	t.packTime.refill(now, 2*packShare)
	return p.left.left > 0 && t.packTime.left > 0
}

// charge uses time.
func (p *packing) charge(t *project, took int64) {
	p.took.Add(took)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left.left -= took
	t.packTime.left -= took
}
