package bus

import (
	"context"
	"sync"
)

// Local is the Sink of an embedded bus: it also decides whether a record may come in, before the record gets its position.
type Local interface {
	Sink
	// Admit returns nil when the project can take another record, else ErrUnknownProject or ErrBusy.
	Admit(project string, size int) error
	// Prepare does what takes time and needs no position: the publishers of a project, of which some are event loops, wait
	// for each other while a record is delivered.
	Prepare(r *Record)
}

// Embedded is the bus of a single node: it orders pushes and does nothing else. Only the node's history keeps them, and a
// restart begins a new epoch.
type Embedded struct {
	sink   Local
	epoch  uint64
	topics sync.Map // project to *topic

	// open is held for reading by each Publish, so that Flush waits for those under way.
	open   sync.RWMutex
	closed bool
}

type topic struct {
	mu   sync.Mutex
	next int64
	// served says that the node serves the project: the topic is kept when the project goes, so that no position is used
	// twice.
	served bool
}

// NewEmbedded returns a bus that hands records to sink. epoch must differ from that of every earlier run.
func NewEmbedded(sink Local, epoch uint64) *Embedded {
	return &Embedded{sink: sink, epoch: epoch}
}

// SetProjects sets the projects. It calls Begin of the sink for the new ones before it returns.
func (b *Embedded) SetProjects(list []Topic) {
	served := make(map[string]bool, len(list))
	for _, one := range list {
		served[one.Project] = true
		t := b.topic(one.Project)
		t.mu.Lock()
		if !t.served {
			b.sink.Begin(one.Project, Position{Epoch: b.epoch, Offset: t.next})
			t.served = true
		}
		t.mu.Unlock()
	}
	b.topics.Range(func(project, found any) bool {
		if t := found.(*topic); !served[project.(string)] {
			t.mu.Lock()
			t.served = false
			t.mu.Unlock()
		}
		return true
	})
}

// Room returns nil when the project can take records of so many bytes in all.
func (b *Embedded) Room(project string, _, bytes int) error { return b.sink.Admit(project, bytes) }

// Forward refuses: there is nothing between this node and the back ends.
func (b *Embedded) Forward(_ *Inbound, done func(error)) { done(ErrUnavailable) }

// Ready is nil: the embedded bus is always ready.
func (b *Embedded) Ready() error { return nil }

// Serves is nil, for the same reason.
func (b *Embedded) Serves(string) error { return nil }

// Behind is nil: there is no other node.
func (b *Embedded) Behind() error { return nil }

func (b *Embedded) topic(project string) *topic {
	found, ok := b.topics.Load(project)
	if !ok {
		found, _ = b.topics.LoadOrStore(project, &topic{})
	}
	return found.(*topic)
}

// Publish gives r the next position of its project and delivers it, all on the caller's goroutine. See Bus.
func (b *Embedded) Publish(r *Record, done func(Position, error)) {
	done(b.publish(r))
}

func (b *Embedded) publish(r *Record) (Position, error) {
	b.open.RLock()
	defer b.open.RUnlock()
	if b.closed {
		return Position{}, ErrClosed
	}
	if !r.Admitted {
		if err := b.sink.Admit(r.Project, len(r.Body)); err != nil {
			return Position{}, err
		}
	}
	b.sink.Prepare(r)
	t := b.topic(r.Project)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.served {
		return Position{}, ErrUnknownProject
	}
	pos := Position{Epoch: b.epoch, Offset: t.next}
	t.next++
	at, _ := b.sink.Deliver(pos, r)
	r.Repeated = at != pos
	b.sink.Flush()
	return at, nil
}

// Flush refuses every later Publish and returns when those under way have been delivered, which is too short for ctx to
// matter.
func (b *Embedded) Flush(context.Context) {
	b.open.Lock()
	defer b.open.Unlock()
	b.closed = true
}

// Close implements Bus.
func (b *Embedded) Close(ctx context.Context) error {
	b.Flush(ctx)
	return nil
}

// Ended implements Bus: it never ends by itself.
func (b *Embedded) Ended() <-chan struct{} { return nil }

// Err implements Bus.
func (b *Embedded) Err() error { return nil }
