package kafka

import (
	"sync/atomic"

	"stentor/engine/bus"
	"stentor/engine/fifo"
)

// partition is one that the reader reads. All but position, acked and known belongs to the reader.
type partition struct {
	project, topic string
	number         int32
	epoch          uint64
	begin          int64
	end            int64      // when the watcher looked: from here on it has caught up
	life           *life      // of the project
	unread         bool       // the consumer has not taken it yet: see reader.assign
	resumes        bool       // the reader goes on in it: nothing was lost
	before         *partition // that it goes on with, until the reader has it
	position       atomic.Int64
	acked          atomic.Int64 // the offset behind the last push of this node that Kafka took
	known          atomic.Pointer[partitionEnd]

	caught  bool
	told    int64 // the sink has heard of everything below
	stored  int64
	waiting fifo.List[waiting]
	late    lateness
}

// waiting is a record that the shards may not have taken yet.
type waiting struct {
	next  int64 // the offset behind it
	taken bus.Taken
}

type partitionKey struct {
	topic  string
	number int32
}

func newPartition(t bus.Topic, number int32, epoch uint64, begin, end int64) *partition {
	p := &partition{project: t.Project, topic: t.Name, number: number, epoch: epoch, begin: begin, end: end, life: &life{}, told: begin, stored: begin}
	p.position.Store(begin)
	p.known.Store(&partitionEnd{offset: end})
	return p
}

// took notes that Kafka has taken a push of this node. Any goroutine may call it.
func (p *partition) took(offset int64) {
	for {
		old := p.acked.Load()
		if offset < old || p.acked.CompareAndSwap(old, offset+1) {
			return
		}
	}
}

func (p *partition) key() partitionKey { return partitionKey{p.topic, p.number} }

func (p *partition) at(offset int64) bus.Position {
	return bus.Position{Epoch: p.epoch, Partition: p.number, Offset: offset}
}

// passed notes that the record before next was handed on. taken says when the shards are done with it; nil: already.
func (p *partition) passed(next int64, taken bus.Taken) {
	p.position.Store(next)
	if taken != nil {
		p.told = next
		p.waiting.Push(waiting{next, taken})
	}
}

// takeOver has p wait for what the shards have not taken of the partition that it goes on with.
func (p *partition) takeOver() {
	if p.before != nil && p.resumes {
		p.waiting, p.stored = p.before.waiting, p.before.stored
	}
	p.before = nil
}

// storable is the offset up to which the shards have taken everything.
func (p *partition) storable() int64 {
	done := p.stored
	for p.waiting.Len() > 0 {
		first := p.waiting.At(0)
		if !first.taken.Taken() {
			return done
		}
		done = first.next
		p.waiting.Pop()
	}
	return p.position.Load()
}
