// Package bus has the types that every bus shares: a push as a Record, its place as a Position, and the two sides Bus
// (accepts records) and Sink (takes them in order).
package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Record is one push in flight. Publish takes ownership of it: nobody changes it, or the bytes it refers to, afterwards.
type Record struct {
	Project string
	// Destination as the client subscribes to it. For a push to a user or a session it is the part behind /user, for
	// example /queue/orders.
	Destination string
	User        string // of a push to one user, else empty
	Session     string // of a push to one session, else empty
	ContentType string
	Headers     []Header
	Body        []byte
	ID          string        // push id: a node delivers it once within its history; empty for none
	TTL         time.Duration // counted from Time; 0 keeps it as long as history does
	Time        time.Time     // when it was accepted
	// Admitted says that the bus has already been asked for room, for this record and others together, and has it.
	Admitted bool
	// Prepared says that Packed is the compressed body, or that it has none: see Local. A bus does not carry it.
	Prepared bool
	Packed   []byte
	// Repeated is set by Publish, before done runs, when a push with this id existed before: nothing was published, and the
	// contents of this record were ignored.
	Repeated bool
}

// SentMark begins the id of each push that a client sent with an id of its own, and of no other: the API takes no id that has
// it.
const SentMark = "#"

// Header is one user header of a push.
type Header struct{ Name, Value string }

// Errors of Publish, to be compared with errors.Is.
var (
	// ErrBusy is back-pressure: nothing was accepted, the same record may be tried again after a moment.
	ErrBusy = errors.New("too many bytes of the project wait for delivery")
	// ErrRateLimited means that the project has used up its pushes of this second.
	ErrRateLimited = errors.New("the project exceeds its limit of pushes per second")
	// ErrUnknownProject means that this node does not serve the record's project.
	ErrUnknownProject = errors.New("no such project")
	// ErrClosed means that the node is stopping.
	ErrClosed = errors.New("the bus is closed")
	// ErrUnavailable means that the bus did not confirm the record in time. It may be on the bus nevertheless: the same
	// id makes a second attempt harmless.
	ErrUnavailable = errors.New("the bus is unreachable")
	// ErrUnserved is an ErrUnavailable: the node cannot read or write where the project's pushes are. Nothing was accepted.
	ErrUnserved = fmt.Errorf("%w: the node does not serve the project", ErrUnavailable)
	// ErrTooLarge means that the bus refuses records of this size.
	ErrTooLarge = errors.New("the bus does not accept records of this size")
)

// Bus is the ordered log that carries pushes to every node, from its start to its end. Any goroutine may call it, event
// loops too: only Flush and Close wait.
type Bus interface {
	// SetProjects sets the projects, at the start and at each reload. The bus tells its sink where each partition begins,
	// now or later.
	SetProjects([]Topic)
	// Room returns nil when the bus has room for so many records of a project, of so many bytes in all, ErrBusy otherwise.
	Room(project string, records, bytes int) error
	// Publish hands r over and calls done exactly once: with its position when the bus has it, else with the
	// error. done may run before Publish returns and on any goroutine, and must not block.
	Publish(r *Record, done func(Position, error))
	// Forward hands a client's message to the back ends. done gets nil once the bus has it.
	Forward(m *Inbound, done func(error))
	// Ready is nil once the node has what it needs to serve clients, else it says what is missing. Like Serves and Behind
	// it changes nothing.
	Ready() error
	// Serves is nil once the node has what it needs to serve a project's clients, else it says what is missing. A node may
	// be ready without a project that it cannot read.
	Serves(project string) error
	// Behind is nil unless new clients should go to another node that is less far behind: then it says why. The node still
	// serves clients that connect.
	Behind() error
	// Flush refuses every later Publish and Forward with ErrClosed, and returns when the bus has answered those before, or
	// with ctx. Its sink goes on taking records.
	Flush(ctx context.Context)
	// Close flushes, stops reading, and at last tells the other nodes that this one has left. It returns with ctx at the
	// latest, with an error for what is unfinished by then.
	Close(ctx context.Context) error
	// Ended is closed when the node must not go on; it may be nil. Err says why, from then on.
	Ended() <-chan struct{}
	Err() error
}

// Inbound is what a client sent to the back ends. As with a Record, the bus takes ownership of it.
type Inbound struct {
	Project     string
	Destination string
	User        string // empty for a client without a name
	Session     string
	ContentType string
	Headers     []Header
	Body        []byte
	Time        time.Time
}

// Topic is where the bus keeps a project's pushes.
type Topic struct {
	Project string
	Name    string // on the bus; the embedded bus ignores it
	In      string // where clients' messages to the back ends go; empty when they may send none
}

// Sink takes what the bus carries. One goroutine at a time calls it for a partition, so that all of its calls are in
// order; none of them blocks. Calls for a project that the node does not serve are ignored.
type Sink interface {
	// Begin reports that the node reads a partition from pos on: what lies before it was never here. It comes before the
	// partition's first record, again at a gap, and with a new epoch when the partition was recreated: then everything of
	// the old epoch is forgotten.
	Begin(project string, pos Position)
	// Deliver hands on the record at pos. It answers with the position of the push: pos, or that of an earlier push with
	// the same id, which history still has; then r was dropped. taken tells when the node's shards have taken it; it is nil
	// when there is nothing to wait for because the record was dropped: its id is known, or it has expired. The shards need
	// not handle it before Flush, which may be for many records at once. r, its Headers and its Body are valid until
	// Deliver returns; strings may be kept.
	Deliver(pos Position, r *Record) (at Position, taken Taken)
	// Flush makes the shards handle what was delivered.
	Flush()
	// Advance reports that up to pos everything in the partition for this node has been delivered.
	Advance(project string, pos Position)
	// Full reports whether a project has as much on the way to its subscribers as it may. The reader then pauses the
	// project's partitions until Full is false.
	Full(project string) bool
}

// Covered answers a bus that would begin a partition at begin, whose end (the offset behind the last record) is end: the
// node knows all that it has to of what lies below next, from before its restart. If next is below begin, a bus that begins
// at next leaves no gap; that is the only use of reading the records from next to begin. next is begin.Offset when the node
// knows nothing that helps. It is called before Begin, once or more often, and does not block; Begin need not follow.
type Covered func(project string, begin Position, end int64) (next int64)

// Taken is a record on its way through the shards.
type Taken interface {
	// Taken reports whether all shards have handed it to its subscribers. Any goroutine may call it.
	Taken() bool
}
