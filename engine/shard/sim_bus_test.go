package shard

import (
	"fmt"
	"strings"

	"stentor/engine/bus"
)

// simTopic is one project on the bus: everything that was published, in order. Deliveries to clients are checked against it. Places
// in a partition are counted from 0 over all epochs.
type simTopic struct {
	w      *world
	name   string
	number int
	epochs []simEpoch
	parts  [][]*push
	keys   map[string]bool  // destinations, those of users too
	last   []int            // by partition, the place of the first push after the faults have ended
	bodies map[string]*push // SENDs of clients that are on the bus
}

// simEpoch is one life of the topic. first are the places of its first pushes.
type simEpoch struct {
	number uint64
	first  []int
}

// push is what was published.
type push struct {
	pos     bus.Position
	part    int
	index   int
	record  *bus.Record
	expires int64
}

func newTopic(w *world, i int) *simTopic {
	t := &simTopic{
		w:      w,
		name:   fmt.Sprintf("p%d", i),
		number: i,
		parts:  make([][]*push, w.profile.Partitions),
		bodies: map[string]*push{},
		keys:   map[string]bool{},
	}
	t.begin()
	return t
}

// begin makes a new epoch: the topic was created, or recreated.
func (t *simTopic) begin() {
	e := simEpoch{number: uint64(100 + len(t.epochs))}
	for _, p := range t.parts {
		e.first = append(e.first, len(p))
	}
	t.epochs = append(t.epochs, e)
}

func (t *simTopic) epoch() *simEpoch { return &t.epochs[len(t.epochs)-1] }

// position covers everything below the place index, in the last epoch.
func (t *simTopic) position(part, index int) bus.Position {
	e := t.epoch()
	return bus.Position{Epoch: e.number, Partition: int32(part), Offset: int64(max(index-e.first[part], 0) - 1)}
}

// past returns the place of the first push that pos does not cover.
func (t *simTopic) past(pos bus.Position) int {
	for _, e := range t.epochs {
		if e.number == pos.Epoch {
			return e.first[pos.Partition] + int(pos.Offset) + 1
		}
	}
	return -1
}

// find is the push at pos.
func (t *simTopic) find(pos bus.Position) *push {
	if int(pos.Partition) >= len(t.parts) {
		return nil
	}
	if n := t.past(pos) - 1; n >= 0 && n < len(t.parts[pos.Partition]) {
		return t.parts[pos.Partition][n]
	}
	return nil
}

// partition returns the partition of a destination or a user.
func (t *simTopic) partition(r *bus.Record) int {
	key := r.Destination
	if r.User != "" {
		key = "user/" + r.User
	}
	return int(bus.Home(key, len(t.parts)))
}

// publish puts r on the bus.
func (t *simTopic) publish(r *bus.Record) *push {
	part := t.partition(r)
	e := t.epoch()
	p := &push{part: part, index: len(t.parts[part]), record: r}
	p.pos = bus.Position{Epoch: e.number, Partition: int32(part), Offset: int64(p.index - e.first[part])}
	if r.TTL > 0 {
		p.expires = t.w.now + int64(r.TTL)
	}
	t.parts[part] = append(t.parts[part], p)
	t.keys[r.User+" "+r.Destination] = true
	t.w.pushed++
	t.w.tracef("bus: %s %s to %s%s%s, %d bytes, ttl %v", t.name, p.pos, r.Destination, r.User, r.Session, len(r.Body), r.TTL)
	return p
}

// simMistake is a kind of push that makes its schedule fail, to test how failures are handled.
const simMistake = "mistake"

// record makes a push with a unique body.
func (t *simTopic) record(size int, kind string) *bus.Record {
	w := t.w
	w.serial++
	r := &bus.Record{Project: t.name, Body: fmt.Appendf(nil, "%s|%d|", t.name, w.serial)}
	if size > 0 {
		r.Body = append(r.Body, strings.Repeat("x", size)...)
	}
	switch kind {
	case simMistake:
		w.failf("a push that is a mistake")
	case "binary":
		r.Body = append(r.Body, 0xff, 0) // not UTF-8
	case "json":
		r.ContentType = "application/json"
	case "headers":
		r.Headers = []bus.Header{{Name: "k:1", Value: "a\\b:c\nd"}, {Name: "plain", Value: "x"}}
	}
	return r
}

// forgets reports whether nodes may have evicted pushes that a client still needs.
func (t *simTopic) forgets() bool { return t.w.profile.tight() || len(t.epochs) > 1 }

// invent makes up a last-message-id: some partitions, with positions anywhere or in the future.
func (t *simTopic) invent() (text string, claims []bus.Position) {
	w := t.w
	for part, pushes := range t.parts {
		if len(claims) > 0 && w.chance(2) {
			continue
		}
		first := t.epoch().first[part]
		pos := t.position(part, first+w.rng.IntN(len(pushes)-first+3))
		if w.chance(20) {
			pos.Epoch += 7
		}
		claims = append(claims, pos)
		if text != "" {
			text += ","
		}
		text += pos.String()
	}
	return text, claims
}
