//go:build attacks

package attack

import (
	"encoding/json"
	"math"
	"sync"
	"time"
)

// period is how finely the burner's work and rest alternate.
const period = 5 * time.Millisecond

// playBurner burns so many cores until it is told to end. It touches nothing that the node has.
func playBurner(s *stage, argument []byte) (any, error) {
	var cores float64
	if err := json.Unmarshal(argument, &cores); err != nil {
		return nil, err
	}
	ctx, err := s.begin()
	if err != nil {
		return nil, err
	}
	threads := max(1, int(math.Ceil(cores)))
	work := time.Duration(cores / float64(threads) * float64(period))
	var all sync.WaitGroup
	for range threads {
		all.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				for time.Since(start) < work {
				}
				time.Sleep(period - work)
			}
		})
	}
	all.Wait()
	return struct{}{}, nil
}
