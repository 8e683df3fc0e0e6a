// Package pace says when the events of an open-loop load are due. Everything except Wait is pure arithmetic: no clock, no timer, no
// goroutine. The caller asks how many events are due by now, and stamps each with the time at which it
// was due, not with the time at which it was sent. So a stalled sender shows up as latency instead of hiding it.
package pace
