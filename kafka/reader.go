package kafka

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/time/rate"

	"stentor/engine/bus"
	"stentor/kafka/internal/librdkafka"
)

// reader reads every partition of every project. Its goroutine (run) owns all that is not guarded.
type reader struct {
	opts *Options
	logs chan ck.LogEvent
	sink bus.Sink
	log  *slog.Logger
	ask  func() // makes the watcher look now
	ends ends

	consumer *ck.Consumer
	batch    *librdkafka.Batch               // of consumer
	assign   func([]ck.TopicPartition) error // IncrementalAssign of consumer
	again    backOff                         // of failed assigns
	decoder  Decoder
	parts    map[partitionKey]*partition
	paused   map[string]bool // projects at their bound
	kept     time.Time       // when keep last ran
	measured time.Time
	places   map[string]map[uint64]int32 // by project: the partition of each destination seen, by hash
	seed     maphash.Seed

	mu    sync.Mutex
	tasks []func()
	lost  map[string]bool // topics of which a fetch failed: the watcher has to check the offsets

	late     atomic.Int64 // of the latest partition, in ns
	gaps     atomic.Uint64
	rebuilds atomic.Uint64
	counts   sync.Map // project to *counts

	poisonLog, keyLog, placeLog, errorLog rate.Sometimes
}

// counts are a project's numbers, for the metrics.
type counts struct {
	records   atomic.Uint64
	poison    atomic.Uint64
	headers   atomic.Uint64 // headers that were omitted: no client could get them
	reserved  atomic.Uint64 // headers that were omitted: they are STOMP's own or the server's
	keys      atomic.Uint64 // records whose key is not their destination
	scattered atomic.Uint64 // records of a destination that is in two partitions
	pauses    atomic.Uint64
	paused    atomic.Int64
	lag       atomic.Int64
}

func newReader(o *Options, logs chan ck.LogEvent) (*reader, error) {
	r := &reader{
		opts: o, logs: logs, sink: o.Sink, log: o.Log,
		parts: map[partitionKey]*partition{}, paused: map[string]bool{},
		places: map[string]map[uint64]int32{}, seed: maphash.MakeSeed(),
		ends:      ends{make(chan []*partition)},
		poisonLog: rate.Sometimes{First: 5, Interval: 10 * time.Second},
		keyLog:    rate.Sometimes{First: 5, Interval: time.Minute},
		placeLog:  rate.Sometimes{First: 5, Interval: time.Minute},
		errorLog:  rate.Sometimes{First: 5, Interval: 10 * time.Second},
	}
	r.decoder.Own = o.Own
	return r, r.open()
}

// open creates the consumer.
func (r *reader) open() error {
	consumer, err := ck.NewConsumer(r.opts.consumerConfig(r.logs))
	if err != nil {
		return err
	}
	batch, err := librdkafka.New(consumer)
	if err != nil {
		closeConsumer(consumer)
		return err
	}
	r.consumer, r.batch, r.assign = consumer, batch, consumer.IncrementalAssign
	return nil
}

// close closes the consumer. run has returned, or is the caller.
func (r *reader) close() {
	if r.batch == nil {
		return // it was closed, and could not be replaced
	}
	r.batch.Close()
	r.batch = nil
	closeConsumer(r.consumer)
}

func (r *reader) count(project string) *counts {
	found, ok := r.counts.Load(project)
	if !ok {
		found, _ = r.counts.LoadOrStore(project, &counts{})
	}
	return found.(*counts)
}

// join adds partitions to the reader, leave removes some. Any goroutine may call them; they do not wait.
func (r *reader) join(list []*partition) {
	for _, p := range list {
		p.life.behind.Add(1)
	}
	r.post(func() { r.add(list) })
}

func (r *reader) leave(list []*partition) {
	r.post(func() { r.remove(list) })
}

func (r *reader) post(task func()) {
	r.mu.Lock()
	r.tasks = append(r.tasks, task)
	r.mu.Unlock()
}

// lateness returns how late the latest partition is read.
func (r *reader) lateness() time.Duration { return time.Duration(r.late.Load()) }

// anyTopic stands for an unknown topic.
const anyTopic = ""

// lose notes that a fetch from a topic failed.
func (r *reader) lose(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil {
		r.lost = map[string]bool{}
	}
	r.lost[topic] = true
}

// takeLost returns the topics from which a fetch has failed since the last call.
func (r *reader) takeLost() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := r.lost
	r.lost = nil
	return lost
}

const (
	pollTime   = 50 * time.Millisecond
	pausedTime = 5 * time.Millisecond // a project at its bound may fall below it at any moment
	keepEvery  = 50 * time.Millisecond
)

// run reads until ctx ends. It is the only caller of the sink.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.carryOut()
		wait := pollTime
		if len(r.paused) > 0 {
			wait = pausedTime
		}
		r.take(ctx, wait)
		if now := time.Now(); now.Sub(r.kept) >= keepEvery {
			r.kept = now
			r.keep(now)
		}
	}
	r.keep(time.Now())
}

// take handles what the consumer has. The shards get all of it at once, since waking a loop costs as much as a few
// records.
func (r *reader) take(ctx context.Context, wait time.Duration) {
	n := r.batch.Take(wait)
	for i := range n {
		r.message(r.batch.At(i))
	}
	other := r.batch.Other()
	r.batch.Release()
	if n > 0 {
		r.sink.Flush()
	}
	switch e := other.(type) {
	case ck.PartitionEOF:
		r.end(e)
	case librdkafka.Error:
		r.trouble(ctx, e)
	}
}

func (r *reader) carryOut() {
	r.mu.Lock()
	tasks := r.tasks
	r.tasks = nil
	r.mu.Unlock()
	for _, task := range tasks {
		task()
	}
}

func (p *partition) from(offset int64) ck.TopicPartition {
	return ck.TopicPartition{Topic: &p.topic, Partition: p.number, Offset: ck.Offset(offset)}
}

func (r *reader) add(list []*partition) {
	var some []*partition
	for _, p := range list {
		if p.life.over() {
			r.caughtUp(p)
			continue
		}
		some = append(some, p)
		r.parts[p.key()] = p
		if !p.resumes {
			r.sink.Begin(p.project, p.at(p.begin))
		}
		p.takeOver()
	}
	r.read(some)
}

// read assigns partitions to the consumer, from the reader's position in each. An assignment that fails is retried.
func (r *reader) read(list []*partition) {
	if len(list) == 0 {
		return
	}
	assign := make([]ck.TopicPartition, len(list))
	for i, p := range list {
		assign[i] = p.from(p.position.Load())
	}
	if err := r.assign(assign); err != nil {
		r.log.Error("partitions cannot be read yet", "topic", list[0].topic, "partition", list[0].number, "and", len(list)-1, "error", err)
		for _, p := range list {
			p.unread = true
		}
		r.again.after(time.Now())
		return
	}
	for _, p := range list {
		p.unread = false
		if r.paused[p.project] {
			_ = r.consumer.Pause([]ck.TopicPartition{p.from(p.position.Load())})
		}
	}
}

// readAgain retries the partitions that could not be assigned, each by itself: one that always fails must not block the
// others. It unassigns each first, since an earlier unassign may have failed.
func (r *reader) readAgain(now time.Time) {
	if !r.again.due(now) {
		return
	}
	r.again.clear()
	for _, p := range r.parts {
		if p.unread {
			_ = r.consumer.IncrementalUnassign([]ck.TopicPartition{p.from(0)})
			r.read([]*partition{p})
		}
	}
	if !r.again.waits() {
		r.again = backOff{}
	}
}

func (r *reader) remove(list []*partition) {
	var gone []ck.TopicPartition
	for _, p := range list {
		if r.parts[p.key()] != p {
			continue
		}
		delete(r.parts, p.key())
		r.caughtUp(p)
		if !p.unread {
			gone = append(gone, p.from(0))
		}
	}
	if len(gone) == 0 {
		return
	}
	_ = r.consumer.Resume(gone) // else librdkafka keeps the pause even after the partition is assigned again
	if err := r.consumer.IncrementalUnassign(gone); err != nil {
		r.log.Error("partitions cannot be unassigned", "error", err)
	}
	for project := range r.paused {
		if !r.has(project) {
			delete(r.paused, project)
			r.count(project).paused.Store(0)
		}
	}
}

func (r *reader) has(project string) bool {
	for _, p := range r.parts {
		if p.project == project {
			return true
		}
	}
	return false
}

func (r *reader) caughtUp(p *partition) {
	if !p.caught {
		p.caught = true
		p.life.behind.Add(-1)
	}
}

// message handles one record.
func (r *reader) message(m *librdkafka.Record) {
	p := r.parts[partitionKey{m.Topic, m.Partition}]
	if p == nil || p.unread || m.Offset < p.position.Load() || p.life.over() {
		return // the reader has left the partition, or is about to
	}
	if m.Failed {
		r.lose(p.topic)
		r.ask()
		return
	}
	p.allowed()
	c := r.count(p.project)
	c.records.Add(1)
	if !p.caught {
		p.life.early.Add(1)
	}
	p.passed(m.Offset+1, r.deliver(p, c, m))
	if m.Offset+1 >= p.end {
		r.caughtUp(p)
	}
	if !r.paused[p.project] && r.sink.Full(p.project) {
		r.pause(p.project, c)
	}
}

// deliver decodes a record and gives it to the sink. A record that cannot be decoded is counted and skipped, whatever it holds.
func (r *reader) deliver(p *partition, c *counts, m *librdkafka.Record) (taken bus.Taken) {
	skip := func(err any) {
		c.poison.Add(1)
		r.poisonLog.Do(func() {
			r.log.Warn("a record cannot be delivered and was skipped", "project", p.project, "topic", p.topic, "partition", p.number, "offset", m.Offset, "error", err)
		})
	}
	defer func() {
		if reason := recover(); reason != nil {
			skip(fmt.Sprint("panic: ", reason))
			taken = nil
		}
	}()
	push, left, err := r.decoder.Decode(p.project, &Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time})
	if err != nil {
		skip(err)
		return nil
	}
	c.headers.Add(uint64(left.Invalid))
	c.reserved.Add(uint64(left.Reserved))
	r.look(p, c, push, m.Key)
	_, taken = r.sink.Deliver(p.at(m.Offset), push)
	return taken
}

// maxPlaces bounds the destinations of a project whose partition the reader remembers.
const maxPlaces = 100_000

// look detects producers whose keys break a destination's order: a destination needs one key, and so one partition.
func (r *reader) look(p *partition, c *counts, push *bus.Record, found []byte) {
	key := found
	if !keyed(push, found) {
		want := Key(push)
		key = []byte(want)
		c.keys.Add(1)
		r.keyLog.Do(func() {
			r.log.Warn("a record's key is not its destination: the key determines the order and, with several partitions, the partition",
				"project", p.project, "topic", p.topic, "partition", p.number, "key", short(want), "record.key", short(string(found)))
		})
	}
	places := r.places[p.project]
	if places == nil {
		places = map[uint64]int32{}
		r.places[p.project] = places
	}
	h := maphash.Bytes(r.seed, key)
	before, ok := places[h]
	switch {
	case !ok && len(places) < maxPlaces:
		places[h] = p.number
	case ok && before != p.number:
		places[h] = p.number
		c.scattered.Add(1)
		r.placeLog.Do(func() {
			r.log.Warn("a destination is in two partitions, so that its pushes have no order: producers must use its name as the key, and the partitioner murmur2",
				"project", p.project, "topic", p.topic, "key", short(Key(push)), "partitions", []int32{before, p.number}, "record.key", short(string(found)))
		})
	}
}

// end notes that the end of a partition was reached. Offsets before it that brought no record do not concern clients:
// they belong to the broker's own records.
func (r *reader) end(e ck.PartitionEOF) {
	p := r.parts[partitionKey{*e.Topic, e.Partition}]
	if p == nil || p.unread || p.life.over() {
		return
	}
	if offset := int64(e.Offset); offset > p.position.Load() {
		p.position.Store(offset)
	}
	p.allowed()
	r.caughtUp(p)
}

// trouble handles an error that librdkafka reports. From all others than those handled here it recovers by itself.
func (r *reader) trouble(ctx context.Context, e librdkafka.Error) {
	switch {
	case e.IsFatal():
		r.rebuild(ctx, e.Error)
	case e.Code() == ck.ErrAutoOffsetReset || e.Code() == ck.ErrOffsetOutOfRange || e.Code() == ck.ErrLogTruncation:
		r.lose(e.Topic)
		r.ask()
	case e.Code() == ck.ErrUnknownTopicOrPart || e.Code() == ck.ErrUnknownTopicID || e.Code() == ck.ErrInconsistentTopicID:
		r.ask()
	case e.Code() == ck.ErrTopicAuthorizationFailed:
		r.notAllowed(e)
	default:
		r.errorLog.Do(func() { r.log.Warn("Kafka consumer", "error", e.Error.Error(), "code", e.Code().String()) })
	}
}

// notAllowed notes that the broker denies reading. librdkafka reports that once for each partition, and retries.
func (r *reader) notAllowed(e librdkafka.Error) {
	told := map[string]bool{}
	for _, p := range r.parts {
		if p.caught || e.Topic != "" && p.topic != e.Topic || told[p.topic] {
			continue
		}
		told[p.topic] = true
		text := fmt.Sprintf("project %s: %s", p.project, needs(e.Error, "Read", p.topic))
		if p.life.denied.Swap(&text) == nil {
			r.log.Error("Kafka consumer", "error", text)
		}
	}
	if len(told) == 0 { // it could be read before
		r.errorLog.Do(func() {
			r.log.Warn("Kafka consumer", "error", needs(e.Error, "Read", cmp.Or(e.Topic, "(one of those that it reads)")))
		})
	}
}

// allowed notes that a topic can be read.
func (p *partition) allowed() {
	if !p.caught {
		p.life.denied.Store(nil)
	}
}

// rebuild replaces a consumer that has failed for good, and continues at the old positions.
func (r *reader) rebuild(ctx context.Context, why error) {
	r.log.Error("the Kafka consumer failed and is replaced", "error", why)
	r.rebuilds.Add(1)
	r.close()
	for again := (backOff{}); ; {
		err := r.open()
		if err == nil {
			break
		}
		r.log.Error("no Kafka consumer yet", "error", err)
		if pause(ctx, again.next()); ctx.Err() != nil {
			return
		}
	}
	for project := range r.paused {
		r.count(project).paused.Store(0)
	}
	clear(r.paused)
	r.read(slices.Collect(maps.Values(r.parts)))
}

// closeTime bounds closing a consumer, which can hang.
const closeTime = 5 * time.Second

func closeConsumer(c *ck.Consumer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Close()
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
	}
}

// pause stops the partitions of a project that has reached its bound.
func (r *reader) pause(project string, c *counts) {
	if err := r.consumer.Pause(r.of(project)); err != nil {
		r.log.Error("reading a project cannot be paused", "project", project, "error", err)
		return
	}
	r.paused[project] = true
	c.pauses.Add(1)
	c.paused.Store(1)
}

// of returns the partitions of a project, with the reader's position in each.
func (r *reader) of(project string) []ck.TopicPartition {
	var all []ck.TopicPartition
	for _, p := range r.parts {
		if p.project == project {
			all = append(all, p.from(p.position.Load()))
		}
	}
	return all
}

// keep does the periodic work: it tells the shards how far each partition was read, stores offsets, and resumes paused projects.
func (r *reader) keep(now time.Time) {
	var stored []ck.TopicPartition
	for _, p := range r.parts {
		if p.life.over() {
			continue
		}
		if next := p.position.Load(); next > p.told {
			p.told = next
			r.sink.Advance(p.project, p.at(next-1))
		}
		if done := p.storable(); done > p.stored {
			p.stored = done
			stored = append(stored, p.from(done))
		}
	}
	if len(stored) > 0 {
		_, _ = r.consumer.StoreOffsets(stored) // fails for a partition that is being removed
	}
	for project := range r.paused {
		if r.sink.Full(project) {
			continue
		}
		if err := r.consumer.Resume(r.of(project)); err != nil {
			r.log.Error("reading a project cannot be resumed", "project", project, "error", err)
			continue
		}
		delete(r.paused, project)
		r.count(project).paused.Store(0)
	}
	r.readAgain(now)
	if now.Sub(r.measured) >= time.Second {
		r.measured = now
		r.measure(now)
	}
}

// measure counts the records that this node has yet to read, and how late it is. A project that it cannot read does not make
// it late: that concerns all nodes, and clients would find no better one.
func (r *reader) measure(now time.Time) {
	lag := map[string]int64{}
	late := time.Duration(0)
	for _, p := range r.parts {
		at, e := p.position.Load(), p.known.Load()
		lag[p.project] += max(0, e.offset-at)
		if how := p.late.look(now, at, *e); p.life.readable() {
			late = max(late, how)
		}
	}
	r.ends.want(slices.Collect(maps.Values(r.parts)))
	r.late.Store(int64(late))
	r.counts.Range(func(project, c any) bool {
		c.(*counts).lag.Store(lag[project.(string)])
		return true
	})
}
