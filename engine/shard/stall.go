package shard

// A loop that stood still has neither read what its clients sent meanwhile, nor seen what they took: its process was
// stopped, its machine paused, its processor taken away. Judged by the clock alone, clients would be closed for the loop's
// fault, and a million would come back at once. So nobody is judged until the loop has had time to read.
const (
	// stallTicks between two ticks are a stall.
	stallTicks = 10
	// graceTicks is the longest grace after it, 5 s: enough to read from a million sockets.
	graceTicks = 250
)

// grace is the time after a stall.
type grace struct {
	lasts bool
	until uint32 // tick
}

// pass notes that so many ticks have passed up to now. A grace is as long as the stall was. The tick that ends it begins no
// other, however late it comes: a loop that is always late judges too.
func (g *grace) pass(ticks, now uint32) {
	switch {
	case g.lasts:
		g.lasts = int32(now-g.until) < 0
	case ticks >= stallTicks:
		g.lasts, g.until = true, now+min(ticks, graceTicks)
	}
}
