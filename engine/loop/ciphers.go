package loop

import (
	"sync/atomic"

	"stentor/engine/tls13"
)

// ciphers are those of one loop at its last tick. The loop stores them, any goroutine may read them: records are sealed without
// anything that other cores see.
type ciphers struct {
	kept                     atomic.Int64
	hits, misses, keyUpdates atomic.Uint64
}

// publish stores the counts of layer, which is nil without TLS.
func (c *ciphers) publish(layer *tls13.Layer) {
	if layer == nil {
		return
	}
	s := layer.Stats()
	c.kept.Store(int64(s.Kept))
	c.hits.Store(s.Hits)
	c.misses.Store(s.Misses)
	c.keyUpdates.Store(s.KeyUpdates)
}

// Ciphers are those of all loops, each at its last tick.
func (s *Server) Ciphers() (sum tls13.Stats) {
	for _, l := range s.loops {
		sum.Kept += int(l.ciphers.kept.Load())
		sum.Hits += l.ciphers.hits.Load()
		sum.Misses += l.ciphers.misses.Load()
		sum.KeyUpdates += l.ciphers.keyUpdates.Load()
	}
	return sum
}
