package directory

import "time"

const (
	leaseTime = 5 * time.Second
	// quietTime is the silence after which a node's clients count as orphans: two beats, and the lag of the clock.
	quietTime = 2500 * time.Millisecond
	// proofGap is how far apart two proofs may be, and how long all nodes may be silent, before that counts as an outage.
	proofGap = 3 * time.Second
	// listedTime is how long a node that is silent, or has left, is listed; rememberedTime is how long its last beat is
	// remembered, so that no copy of it is followed.
	listedTime     = 10 * time.Minute
	rememberedTime = listedTime + maxSkew
)

// lease is the clock that leases run by. It stops while it is not proven that the topic can be read and written to: then
// the silence of nodes means nothing.
type lease struct {
	clock time.Duration
	at    time.Time     // of the last proof
	beat  time.Duration // when somebody beat last
	// over is set while the topic is out of reach. Nodes that were not suspect before get a full lease when that ends.
	over bool
}

// Proven reports that everything that was in the topic at a time has been read: the end offset fetched then has been
// reached, or a beat that was sent then has come back.
func (v *View) Proven(at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.proven(at)
}

func (v *View) proven(at time.Time) {
	l := &v.lease
	passed := at.Sub(l.at)
	switch {
	case l.at.IsZero():
		l.at = at
		return
	case passed <= 0:
		return
	}
	l.at = at
	switch silent := l.clock - l.beat; {
	case passed > proofGap:
		v.grace()
	case silent+passed > proofGap: // no node can write: the clock waits for the first that can
		l.over = true
	default:
		l.clock += passed
		v.sweep(at)
	}
}

// grace gives a full lease to all whose lease has not run out.
func (v *View) grace() {
	for _, e := range v.list {
		if !e.suspect {
			e.heard = v.lease.clock
		}
	}
	v.lease.over, v.lease.beat = false, v.lease.clock
}

// sweep finds the nodes whose lease has run out, and forgets those that have been silent for long.
func (v *View) sweep(now time.Time) {
	var dead []*entry
	for i := len(v.list) - 1; i >= 0; i-- { // from the end: forgetting one moves the last
		e := v.list[i]
		silent := v.lease.clock - e.heard
		if silent > rememberedTime {
			v.forget(i)
			continue
		}
		if silent > quietTime && !e.quiet {
			e.quiet = true
			if e.beat.State == Up {
				dead = append(dead, e)
			}
		}
		if silent > leaseTime {
			e.suspect = true
		}
	}
	v.countTakers()
	for _, e := range dead {
		v.orphaned(e, now)
	}
}

// returned renews the lease of a node that has sent a beat.
func (v *View) returned(e *entry, live bool, now time.Time) {
	if !live {
		return
	}
	if v.lease.over {
		v.grace()
	}
	v.lease.beat = v.lease.clock
	e.heard, e.said, e.came = v.lease.clock, v.lease.at, now
	v.adopted(e)
	e.quiet, e.suspect = false, false
}

// listed reports whether a node is listed. One that is not is never handed out.
func (v *View) listed(e *entry) bool { return v.lease.clock-e.heard <= listedTime }

// Stale is how long nothing has been proven, 0 while all is well.
func (v *View) Stale(now time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stale(now)
}

func (v *View) stale(now time.Time) time.Duration {
	if v.lease.at.IsZero() {
		return 0 // nothing is known at all
	}
	if d := now.Sub(v.lease.at); d > proofGap {
		return d
	}
	return 0
}
