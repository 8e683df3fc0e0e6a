package kafka

import (
	"cmp"
	"context"
	"slices"
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

// watcher looks at the topics and tells the reader where to begin. run owns all but wanted.
type watcher struct {
	opts   *Options
	admin  *ck.AdminClient
	reader *reader
	told   func(topics map[string]place, trouble error) // called with the outcome of each look

	mu     sync.Mutex
	wanted []wanted                         // in the order of their projects
	lives  atomic.Pointer[map[string]*life] // those of wanted, by project

	wake chan struct{}

	cluster string            // id of the brokers' cluster, once it is known
	topics  map[string]*topic // by name, those that the reader reads
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
	in    string // topic of what its clients send; empty when they send nothing, or it cannot be used
	epoch uint64
	parts []*partition // of topic, in the order of their numbers; nil before they are known
}

// home returns the partition for records with this key, and the reader's position in it; nil when that is unknown.
func (at *place) home(key string) (p *partition, from int64) {
	if len(at.parts) == 0 {
		return nil, 0
	}
	p = at.parts[bus.Home(key, len(at.parts))]
	return p, p.position.Load()
}

func newWatcher(o *Options, admin *ck.AdminClient, r *reader, told func(map[string]place, error)) *watcher {
	w := &watcher{opts: o, admin: admin, reader: r, told: told, wake: make(chan struct{}, 1), topics: map[string]*topic{}}
	w.lives.Store(&map[string]*life{})
	return w
}

// setProjects may be called from any goroutine. The lives of removed projects end at once, however long a look takes.
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
	slices.SortFunc(now, func(a, b wanted) int { return cmp.Compare(a.Project, b.Project) })
	for _, old := range w.wanted {
		if !slices.ContainsFunc(now, func(t wanted) bool { return t.life == old.life }) {
			old.life.ended.Store(true)
		}
	}
	lives := make(map[string]*life, len(now))
	for _, t := range now {
		lives[t.Project] = t.life
	}
	w.wanted = now
	w.lives.Store(&lives)
	w.mu.Unlock()
	w.lookNow()
}

// projects returns what setProjects was given last. Any goroutine may call it; nobody changes the list.
func (w *watcher) projects() []wanted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wanted
}

func (w *watcher) lookNow() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run looks from when the projects are known.
func (w *watcher) run(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-w.wake:
	}
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

// look makes the reader read the topics that the projects want and the broker has.
func (w *watcher) look(ctx context.Context) (map[string]place, error) {
	list := w.projects()
	w.leave()
	there, err := w.describe(ctx, list)
	if err != nil {
		return nil, err
	}
	all := make([]*beginning, len(list))
	for i, t := range list {
		all[i] = w.plan(ctx, t, there)
	}
	w.ask(ctx, all)
	places := map[string]place{}
	var troubles []error
	for _, b := range all {
		if b.err == nil {
			w.begin(b)
			places[b.Project] = place{topic: b.Name, in: b.in, epoch: b.epoch}
		}
		b.life.note(b.err)
		keep(&b.life.mute, b.inErr)
		for _, err := range []error{b.inErr, b.err} {
			if err != nil {
				troubles = append(troubles, err)
			}
		}
	}
	if err := w.recheck(ctx, w.reader.takeLost()); err != nil {
		troubles = append(troubles, err)
	}
	for project, at := range places {
		at.parts = slices.Clone(w.topics[at.topic].parts)
		slices.SortFunc(at.parts, func(a, b *partition) int { return cmp.Compare(a.number, b.number) })
		places[project] = at
	}
	return places, some(troubles)
}

// leave drops the topics of removed projects, even if another project now has the same topic.
func (w *watcher) leave() {
	for name, t := range w.topics {
		if t.life.over() {
			w.reader.leave(t.parts)
			delete(w.topics, name)
		}
	}
}
