// Package bus has the words that every bus shares: a push as a Record, its place as a Position, and the two sides
// Bus (accepts records) and Sink (takes them in order).
package bus

import (
	"errors"
	"time"
)

// Record is one push on its way. Whoever hands it to Publish gives it away: nobody changes it, or the bytes it
// refers to, afterwards.
type Record struct {
	Project string
	// Destination as the client subscribes to it. For a push to a user or a session it is what stands behind
	// /user, for example /queue/orders.
	Destination string
	User        string // of a push to one user, else empty
	Session     string // of a push to one session, else empty
	ContentType string
	Headers     []Header
	Body        []byte
	ID          string        // push id: a node delivers it once within its history; empty for none
	TTL         time.Duration // counted from Time; 0 keeps it as long as history does
	Time        time.Time     // when it was accepted
}

// Header is one user header of a push.
type Header struct{ Name, Value string }

// What Publish can answer. All of them are safe to compare with errors.Is.
var (
	// ErrBusy is back-pressure: nothing was accepted, the same record may be tried again after a moment.
	ErrBusy = errors.New("the project has too many bytes on the way to its subscribers")
	// ErrRateLimited means that the project has used up its pushes of this second.
	ErrRateLimited = errors.New("the project sends more pushes a second than its limit")
	// ErrUnknownProject means that this node does not serve the record's project.
	ErrUnknownProject = errors.New("no such project")
	// ErrClosed means that the node is stopping.
	ErrClosed = errors.New("the bus is closed")
)

// Bus is the ordered log that carries pushes to every node.
type Bus interface {
	// Publish hands r over and calls done exactly once: with its position when the bus has it, else with the
	// error. done may run before Publish returns and on any goroutine, and must not block. Publish may be called
	// from any goroutine, event loops included, and does not block.
	Publish(r *Record, done func(Position, error))
}

// Sink takes what the bus carries, for each partition in order. Only the bus's reader calls it.
type Sink interface {
	// Deliver hands on the record at pos.
	Deliver(pos Position, r *Record)
}
