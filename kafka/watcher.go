package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

const (
	lookEvery = 5 * time.Second        // at the topics, when all is well
	lookAgain = 500 * time.Millisecond // when something is missing
	askTime   = 5 * time.Second        // for an answer of the broker
)

// watcher looks at the topics and says where the reader has to begin. run owns all but wanted.
type watcher struct {
	opts   *Options
	admin  *ck.AdminClient
	reader *reader
	told   func(topics map[string]place, trouble error) // the outcome of each look

	mu     sync.Mutex
	wanted []wanted
	asked  bool                             // wanted was set
	lives  atomic.Pointer[map[string]*life] // those of wanted, by project

	wake chan struct{}

	topics map[string]*topic // by name, those that the reader has
}

// wanted is a topic that a project has, for as long as it lives.
type wanted struct {
	bus.Topic
	life *life
}

// topic is what the watcher knows of one.
type topic struct {
	project string
	life    *life
	epoch   uint64
	parts   []*partition
}

// place is where a project's pushes go.
type place struct {
	topic string
	in    string // where what its clients send goes; empty when none does, or it cannot
	epoch uint64
	parts []*partition // of topic, in the order of their numbers; nil before they are known
}

// home is the partition where a record with this key goes, and from where on. nil: nobody knows.
func (at *place) home(key string) (p *partition, from int64) {
	if len(at.parts) == 0 {
		return nil, 0
	}
	p = at.parts[bus.Home(key, len(at.parts))]
	return p, p.position.Load()
}

// found is a topic as the broker has it.
type found struct {
	epoch      uint64
	partitions []int32
	err        error // it cannot be looked at
}

func newWatcher(o *Options, admin *ck.AdminClient, r *reader, told func(map[string]place, error)) *watcher {
	w := &watcher{opts: o, admin: admin, reader: r, told: told, wake: make(chan struct{}, 1), topics: map[string]*topic{}}
	w.lives.Store(&map[string]*life{})
	return w
}

// setProjects may be called from any goroutine. The lives of projects that are gone end at once, however long a look takes.
func (w *watcher) setProjects(list []bus.Topic) {
	w.mu.Lock()
	now := make([]wanted, len(list))
	for i, t := range list {
		now[i] = wanted{t, &life{}}
		for _, old := range w.wanted {
			if old.Project == t.Project && old.Name == t.Name {
				now[i].life = old.life
			}
		}
	}
	for _, old := range w.wanted {
		if !slices.ContainsFunc(now, func(t wanted) bool { return t.life == old.life }) {
			old.life.ended.Store(true)
		}
	}
	lives := make(map[string]*life, len(now))
	for _, t := range now {
		lives[t.Project] = t.life
	}
	w.wanted, w.asked = now, true
	w.lives.Store(&lives)
	w.mu.Unlock()
	w.lookNow()
}

func (w *watcher) lookNow() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := lookEvery
		places, err := w.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			wait = lookAgain
		}
		w.told(places, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-w.wake:
		}
	}
}

// look brings the reader to what the projects want and the broker has.
func (w *watcher) look(ctx context.Context) (map[string]place, error) {
	w.mu.Lock()
	list, asked := w.wanted, w.asked
	w.mu.Unlock()
	if !asked {
		return nil, errors.New("the projects are not known yet")
	}
	w.leave()
	there, err := w.describe(ctx, list)
	if err != nil {
		return nil, err
	}
	places := map[string]place{}
	var troubles []error
	for _, t := range list {
		in := t.In
		if in != "" {
			_, err := w.find(ctx, there, t.Project, in, "Write")
			if keep(&t.life.mute, err); err != nil {
				troubles = append(troubles, err)
				in = ""
			}
		}
		f, err := w.find(ctx, there, t.Project, t.Name, "Read and Write")
		if err == nil {
			if err = w.begin(ctx, t, f); err != nil {
				err = fmt.Errorf("topic %s of project %s: %w", t.Name, t.Project, needs(err, "Read", t.Name))
			}
		}
		t.life.note(err)
		if err != nil {
			troubles = append(troubles, err)
			continue
		}
		places[t.Project] = place{topic: t.Name, in: in, epoch: f.epoch}
	}
	if w.reader.takeLost() {
		if err := w.recheck(ctx); err != nil {
			troubles = append(troubles, err)
		}
	}
	for project, at := range places {
		at.parts = slices.Clone(w.topics[at.topic].parts)
		slices.SortFunc(at.parts, func(a, b *partition) int { return cmp.Compare(a.number, b.number) })
		places[project] = at
	}
	return places, some(troubles)
}

// find is a topic as it was found, or what is wrong with it. A missing one is made, for the next look. acls are what the
// node needs.
func (w *watcher) find(ctx context.Context, there map[string]found, project, name, acls string) (found, error) {
	f, ok := there[name]
	switch {
	case !ok:
		return f, w.missing(ctx, project, name)
	case f.err != nil:
		return f, fmt.Errorf("topic %s of project %s: %w", name, project, needs(f.err, acls, name))
	}
	return f, nil
}

// leave drops the topics of projects that are gone, whether or not there is another one with the same.
func (w *watcher) leave() {
	for name, t := range w.topics {
		if t.life.over() {
			w.reader.leave(t.parts)
			delete(w.topics, name)
		}
	}
}

// begin has the reader read all partitions of a topic. Those of a topic that is new here begin the window before the
// end; those that came while the node runs, and those of a topic that was made again, at their first record.
func (w *watcher) begin(ctx context.Context, t wanted, f found) error {
	known := w.topics[t.Name]
	fresh := known == nil
	if !fresh && known.epoch != f.epoch {
		w.opts.Log.Warn("the topic is another than before: clients cannot resume over this", "topic", t.Name, "project", t.Project)
	}
	var have []*partition
	if !fresh && known.epoch == f.epoch {
		have = known.parts
	}
	var missing []int32
	for _, n := range f.partitions {
		if !slices.ContainsFunc(have, func(p *partition) bool { return p.number == n }) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	ends, err := offsets(ctx, w.admin, t.Name, missing, ck.LatestOffsetSpec)
	if err != nil {
		return err
	}
	from := ck.EarliestOffsetSpec
	if fresh {
		from = ck.NewOffsetSpecForTimestamp(time.Now().Add(-w.opts.Window).UnixMilli())
	}
	begins, err := offsets(ctx, w.admin, t.Name, missing, from)
	if err != nil {
		return err
	}
	for n, begin := range begins {
		if begin == none { // nothing within the window
			begins[n] = ends[n]
		}
	}
	if fresh {
		if err := w.reachBack(ctx, t, f.epoch, begins, ends); err != nil {
			return err
		}
	}
	var parts []*partition
	for _, n := range missing {
		p := newPartition(t.Topic, n, f.epoch, begins[n], ends[n])
		p.life = t.life
		parts = append(parts, p)
	}
	if !fresh && known.epoch != f.epoch {
		w.reader.leave(known.parts)
	}
	w.reader.join(parts)
	w.topics[t.Name] = &topic{project: t.Project, life: t.life, epoch: f.epoch, parts: append(slices.Clone(have), parts...)}
	return nil
}

// recheck follows a fetch from an offset that is not there: the reader goes on where there is something, and what lies
// between is a gap.
func (w *watcher) recheck(ctx context.Context) error {
	for name, t := range w.topics {
		var numbers []int32
		nexts := map[int32]int64{} // before the ends are asked for: the reader reads on, and is not to look as if it were beyond them
		for _, p := range t.parts {
			numbers = append(numbers, p.number)
			nexts[p.number] = p.position.Load()
		}
		begins, err := offsets(ctx, w.admin, name, numbers, ck.EarliestOffsetSpec)
		if err != nil {
			w.reader.loseAgain()
			return err
		}
		ends, err := offsets(ctx, w.admin, name, numbers, ck.LatestOffsetSpec)
		if err != nil {
			w.reader.loseAgain()
			return err
		}
		for i, p := range t.parts {
			next := nexts[p.number]
			begin := min(max(next, begins[p.number]), ends[p.number])
			again := newPartition(bus.Topic{Project: t.project, Name: name}, p.number, t.epoch, begin, ends[p.number])
			again.life, again.resumes = t.life, begin == next
			if !again.resumes {
				w.opts.Log.Warn("a gap: records are gone from the topic", "topic", name, "partition", p.number, "wanted", next, "next", begin)
				w.reader.gaps.Add(1)
			}
			again.before = p
			w.reader.leave([]*partition{p})
			w.reader.join([]*partition{again})
			t.parts[i] = again
		}
	}
	return nil
}

// describe asks for the topics that are there.
func (w *watcher) describe(ctx context.Context, list []wanted) (map[string]found, error) {
	var names []string
	for _, t := range list {
		if names = append(names, t.Name); t.In != "" {
			names = append(names, t.In)
		}
	}
	if w.opts.MockEpoch != 0 {
		return w.describeMock(names)
	}
	all := map[string]found{}
	if len(names) == 0 {
		return all, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	got, err := w.admin.DescribeTopics(ctx, ck.NewTopicCollectionOfTopicNames(names))
	if err != nil {
		return nil, err
	}
	for _, d := range got.TopicDescriptions {
		switch d.Error.Code() {
		case ck.ErrNoError:
			f := found{epoch: epochOf(d.TopicID, d.Name)}
			for _, p := range d.Partitions {
				f.partitions = append(f.partitions, int32(p.Partition))
			}
			slices.Sort(f.partitions)
			all[d.Name] = f
		case ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic:
		default:
			all[d.Name] = found{err: d.Error}
		}
	}
	return all, nil
}

func (w *watcher) describeMock(names []string) (map[string]found, error) {
	got, err := w.admin.GetMetadata(nil, true, int(askTime.Milliseconds()))
	if err != nil {
		return nil, err
	}
	all := map[string]found{}
	for _, name := range names {
		if m, ok := got.Topics[name]; ok && m.Error.Code() == ck.ErrNoError {
			f := found{epoch: w.opts.MockEpoch}
			for _, p := range m.Partitions {
				f.partitions = append(f.partitions, p.ID)
			}
			slices.Sort(f.partitions)
			all[name] = f
		}
	}
	return all, nil
}

// epochOf makes an epoch of a topic's id. A broker without topic ids gives one of the name: then a topic that was made
// again is not told from the one before.
func epochOf(id ck.UUID, name string) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(id.GetMostSignificantBits()))
	binary.BigEndian.PutUint64(b[8:], uint64(id.GetLeastSignificantBits()))
	if b == [16]byte{} {
		_, _ = h.Write([]byte(name))
	}
	_, _ = h.Write(b[:])
	return h.Sum64()
}

// missing makes a topic that is not there, or says that somebody has to.
func (w *watcher) missing(ctx context.Context, project, name string) error {
	if !w.opts.Create || w.opts.MockEpoch != 0 {
		return fmt.Errorf("topic %s of project %s is not there: make it, or set kafka.create_topics", name, project)
	}
	config := map[string]string{}
	if w.opts.PushBytes+headerRoom > 1<<20 {
		config["max.message.bytes"] = strconv.Itoa(w.opts.PushBytes + headerRoom)
	}
	if err := createTopic(ctx, w.admin, w.opts, name, w.opts.Partitions, config); err != nil {
		return err
	}
	w.lookNow()
	return fmt.Errorf("topic %s of project %s was just made", name, project)
}

// safeReplicas is from where on an acknowledgement has to mean two copies.
const safeReplicas = 3

func createTopic(ctx context.Context, admin *ck.AdminClient, o *Options, name string, partitions int, config map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	replicas := o.Replicas
	if replicas == 0 {
		replicas = -1
	}
	if replicas >= safeReplicas {
		config["min.insync.replicas"] = "2"
	}
	got, err := admin.CreateTopics(ctx, []ck.TopicSpecification{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: replicas, Config: config,
	}})
	if err != nil {
		return fmt.Errorf("topic %s cannot be made: %w", name, err)
	}
	for _, r := range got {
		switch r.Error.Code() {
		case ck.ErrNoError:
			o.Log.Info("topic made", "topic", name, "partitions", partitions, "settings", fmt.Sprint(config))
		case ck.ErrTopicAlreadyExists: // another node was faster, or the broker that was asked for topics is behind
		default:
			return fmt.Errorf("topic %s cannot be made: %w", name, needs(r.Error, "Create", name))
		}
	}
	return nil
}
