package kafka

import (
	"sync/atomic"

	"stentor/engine/bus"
	"stentor/engine/fifo"
)

// partition is one that the reader reads. The reader owns all but position, acked and known.
type partition struct {
	project, topic string
	number         int32
	epoch          uint64
	begin          int64
	end            int64      // when the watcher looked: from here on the partition has caught up
	life           *life      // of the project
	unread         bool       // not assigned to the consumer yet: see reader.assign
	resumes        bool       // begins where before stopped: nothing was lost
	before         *partition // its predecessor, until the reader has it
	position       atomic.Int64
	acked          atomic.Int64 // the offset after the last push of this node that Kafka acknowledged
	known          atomic.Pointer[partitionEnd]

	caught  bool
	told    int64 // the sink was notified of everything below
	stored  int64
	waiting fifo.List[waiting]
	late    lateness
}

// waiting is a record that the shards may not have processed yet.
type waiting struct {
	next  int64 // the offset after it
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

// took notes that Kafka has acknowledged a push of this node. Any goroutine may call it.
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

// passed notes that the record before next was handed to the sink. taken says when the shards are done with it; nil: they are.
func (p *partition) passed(next int64, taken bus.Taken) {
	p.position.Store(next)
	if taken != nil {
		p.told = next
		p.waiting.Push(waiting{next, taken})
	}
}

// takeOver moves to p the records of its predecessor that the shards have not processed yet.
func (p *partition) takeOver() {
	if p.before != nil && p.resumes {
		p.waiting, p.stored = p.before.waiting, p.before.stored
	}
	p.before = nil
}

// storable is the offset below which the shards have processed everything.
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
