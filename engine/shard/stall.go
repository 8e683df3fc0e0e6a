package shard

// A loop that stood still has not read what its clients sent meanwhile, nor seen what they took: its process was stopped,
// its machine paused, its processor taken away. A client that is judged by the clock alone would then be closed for the loop's fault,
// and all of a million come back at once. So nobody is judged until the loop had time to read.
const (
	// stallTicks between two ticks are a stall.
	stallTicks = 10
	// graceTicks are the most that it is followed by, 5 s: enough to read from a million sockets.
	graceTicks = 250
)

// grace is the time after a stall.
type grace struct {
	lasts bool
	until uint32 // tick
}

// pass notes that so many ticks have passed up to now. A grace is as long as the stall was. The tick that ends it brings no
// other, however late it comes: a loop that is always late judges too.
func (g *grace) pass(ticks, now uint32) {
	switch {
	case g.lasts:
		g.lasts = int32(now-g.until) < 0
	case ticks >= stallTicks:
		g.lasts, g.until = true, now+min(ticks, graceTicks)
	}
}
