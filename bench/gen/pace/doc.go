// Package pace says when the events of an open-loop load are due. All but Wait is pure arithmetic: no clock, no timer, no
// goroutine. Whoever drives a load asks it how many events are due by now and stamps each with the time at which it
// was due, not with the time at which it went out, so that a stalled sender shows up as latency instead of hiding it.
package pace
