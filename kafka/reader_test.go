package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/time/rate"

	"stentor/engine/bus"
	"stentor/kafka/internal/librdkafka"
)

const (
	otherProject = "bank"
	otherTopic   = "stentor.push.bank"
)

// both are the projects of a node that has two.
var both = []bus.Topic{{Project: testProject, Name: testTopic}, {Project: otherProject, Name: otherTopic}}

// of returns the ids of what came for a project.
func (s *sink) of(project string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if r.Project == project {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// inReader runs f on the reader's goroutine, which owns its partitions.
func inReader(b *Bus, f func(r *reader)) {
	done := make(chan struct{})
	b.reader.post(func() {
		defer close(done)
		f(b.reader)
	})
	<-done
}

// openTwo returns a bus with two projects.
func openTwo(t *testing.T, s *sink) *Bus {
	t.Helper()
	mc := mock(t, 1)
	if err := mc.CreateTopic(otherTopic, 1, 1); err != nil {
		t.Fatal(err)
	}
	o := testOptions(mc.BootstrapServers(), s)
	b := open(t, o)
	b.SetProjects(both)
	until(t, "both projects", func() bool {
		places := b.places.Load()
		return places != nil && len(*places) == 2
	})
	ready(t, b)
	return b
}

func pushN(t *testing.T, b *Bus, project string, n int) {
	t.Helper()
	for i := range n {
		if _, err := pushTo(b, project, "/topic/"+project+"/a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// moreThanABatch is more records than the reader takes at once: it delivers all of them even if the first fills the project.
const moreThanABatch = 300

// A project at its bound waits alone, and continues in order.
func TestOnlyTheFullProjectIsPaused(t *testing.T) {
	const n = moreThanABatch
	s := &sink{full: map[string]bool{testProject: true}}
	b := openTwo(t, s)
	pushAll(t, b, testProject, 0, n)
	until(t, "paused", func() bool { return b.reader.count(testProject).paused.Load() == 1 })
	pushAll(t, b, otherProject, 0, n)
	until(t, "the other project's pushes", func() bool { return len(s.of(otherProject)) == n })
	if other := b.reader.count(otherProject); other.paused.Load() != 0 || other.pauses.Load() != 0 {
		t.Error("the other project was paused too")
	}
	if got := len(s.of(testProject)); got == n {
		t.Error("a project at its bound was read on")
	}
	s.set(func() { s.full = nil })
	until(t, "the rest", func() bool { return len(s.of(testProject)) == n })
	inOrder(t, s.of(testProject), 0)
	if b.reader.count(testProject).paused.Load() != 0 {
		t.Error("it is paused for the metrics")
	}
}

// Projects are added and removed while the node runs. One that is removed while it is paused leaves no state, and is read
// again when it comes back.
func TestProjectsComeAndGo(t *testing.T) {
	s := &sink{}
	b := openTwo(t, s)
	pushN(t, b, otherProject, 1)
	until(t, "a push to the project that came", func() bool { return len(s.of(otherProject)) == 1 })
	s.set(func() { s.full = map[string]bool{otherProject: true} })
	pushAll(t, b, otherProject, 0, moreThanABatch)
	c := b.reader.count(otherProject)
	until(t, "paused, with a lag", func() bool { return c.paused.Load() == 1 && c.lag.Load() > 0 })

	b.SetProjects(both[:1])
	until(t, "left", func() bool { return len(*b.places.Load()) == 1 && c.lag.Load() == 0 })
	if c.paused.Load() != 0 {
		t.Error("a project that left is paused for the metrics")
	}
	inReader(b, func(r *reader) {
		if len(r.paused) != 0 || len(r.parts) != 1 {
			t.Errorf("paused %v, parts %v", r.paused, r.parts)
		}
	})
	if _, err := pushTo(b, otherProject, "/topic/bank/a", "x"); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("a push to a project that left: %v", err)
	}
	got := len(s.of(otherProject))

	s.set(func() { s.full = nil })
	b.SetProjects(both)
	until(t, "back", func() bool { return len(*b.places.Load()) == 2 && b.Serves(otherProject) == nil })
	if _, err := pushTo(b, otherProject, "/topic/bank/a", "again"); err != nil {
		t.Fatal(err)
	}
	until(t, "a push to the project that is back", func() bool { ids := s.of(otherProject); return ids[len(ids)-1] == "again" })
	if now := len(s.of(otherProject)); now != got+1 { // this broker cannot tell what lies within the window
		t.Errorf("%d pushes came when it was back", now-got)
	}
}

// Once the reader has left a partition, the node no longer waits for its end.
func TestLeftBeforeItsEnd(t *testing.T) {
	s := &sink{full: map[string]bool{otherProject: true}}
	b := openTwo(t, s)
	pushAll(t, b, otherProject, 0, moreThanABatch)
	b.SetProjects(both[:1])
	until(t, "left", func() bool { return len(*b.places.Load()) == 1 })

	late := newPartition(both[1], 0, 7, 0, moreThanABatch)
	b.reader.join([]*partition{late})
	if late.life.caughtUp() {
		t.Error("nothing to read, at once")
	}
	c := b.reader.count(otherProject)
	until(t, "paused before its end", func() bool { return c.paused.Load() == 1 })
	if n := late.life.behind.Load(); n != 1 {
		t.Errorf("behind with %d partitions", n)
	}
	b.reader.leave([]*partition{late})
	inReader(b, func(*reader) {})
	if n := late.life.behind.Load(); n != 0 {
		t.Errorf("behind with %d partitions that are not read", n)
	}
	again := newPartition(both[1], 0, 7, 0, moreThanABatch)
	b.reader.join([]*partition{again})
	b.reader.leave([]*partition{late}) // it has left, and is not the one that came in its place
	inReader(b, func(r *reader) {
		if r.parts[again.key()] != again {
			t.Error("the one that came later has left")
		}
	})
}

// A consumer that replaces another continues at its positions: nothing is lost or repeated, and a project at its bound keeps
// waiting.
func TestRebuild(t *testing.T) {
	const n = 2 * moreThanABatch // one batch of each consumer
	s := &sink{full: map[string]bool{testProject: true}}
	b := openTwo(t, s)
	pushAll(t, b, testProject, 0, n)
	c := b.reader.count(testProject)
	until(t, "paused", func() bool { return c.paused.Load() == 1 })
	inReader(b, func(r *reader) {
		r.rebuild(t.Context(), errors.New("by the test"))
		if c.paused.Load() != 0 || len(r.paused) != 0 {
			t.Error("the new consumer is paused, as far as one can see")
		}
	})
	until(t, "paused again", func() bool { return c.paused.Load() == 1 })
	pushN(t, b, otherProject, 1)
	until(t, "the other project", func() bool { return len(s.of(otherProject)) == 1 })
	if got := len(s.of(testProject)); got == n {
		t.Error("a project at its bound was read on by the new consumer")
	}
	s.set(func() { s.full = nil })
	until(t, "the rest", func() bool { return len(s.of(testProject)) == n })
	pushN(t, b, otherProject, 1)
	until(t, "what came after it", func() bool { return len(s.of(otherProject)) == 2 })
	inOrder(t, s.of(testProject), 0)
	if got := b.reader.rebuilds.Load(); got != 1 {
		t.Errorf("%d were replaced", got)
	}
}

// After a failed fetch the watcher compares the reader's positions with the offsets that exist.
func TestRecheck(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	pushN(t, b, testProject, 10)
	until(t, "delivered", func() bool { return s.count() == 10 })
	key := partitionKey{testTopic, 0}
	again := func(change func(*partition)) {
		t.Helper()
		var before *partition
		inReader(b, func(r *reader) {
			before = r.parts[key]
			change(before)
		})
		b.reader.lose(testTopic)
		b.watcher.lookNow()
		until(t, "looked again", func() (ok bool) {
			inReader(b, func(r *reader) { ok = r.parts[key] != before && before.life.behind.Load() == 0 })
			return ok
		})
	}

	again(func(*partition) {})
	if _, err := push(b, "/topic/shop/a", "10"); err != nil {
		t.Fatal(err)
	}
	until(t, "the next", func() bool { return s.count() > 10 })
	inOrder(t, s.ids(), 0)
	if len(s.begins) != 1 || b.reader.gaps.Load() != 0 {
		t.Errorf("nothing was gone, and there are %d gaps: %v", b.reader.gaps.Load(), s.begins)
	}

	again(func(p *partition) { p.position.Store(1000) }) // the topic lost what this node has read
	if want := (bus.Position{Epoch: s.begins[0].Epoch, Offset: 11}); len(s.begins) != 2 || s.begins[1] != want || b.reader.gaps.Load() != 1 {
		t.Errorf("%d gaps, begins %v, want %v as the second", b.reader.gaps.Load(), s.begins, want)
	}
	if _, err := push(b, "/topic/shop/a", "11"); err != nil {
		t.Fatal(err)
	}
	until(t, "the next", func() bool { return s.count() > 11 })
	inOrder(t, s.ids(), 0)
}

// If a look fails, the partitions are compared at the next one.
func TestRecheckFails(t *testing.T) {
	mc := mock(t, 1)
	o := testOptions(mc.BootstrapServers(), &sink{})
	b := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &reader{}
	w := newWatcher(&o, b.admin, r, nil)
	w.topics[testTopic] = &topic{project: testProject, epoch: 7, parts: []*partition{newPartition(both[0], 0, 7, 0, 0)}}
	r.lose(testTopic)
	lost := r.takeLost()
	if len(lost) != 1 || r.takeLost() != nil {
		t.Fatalf("lost %v", lost)
	}
	if err := w.recheck(ctx, map[string]bool{otherTopic: true}); err != nil {
		t.Error("another topic's partitions are looked at:", err)
	}
	if err := w.recheck(ctx, lost); err == nil {
		t.Fatal("no error without an answer")
	}
	if !r.takeLost()[testTopic] {
		t.Error("the failed fetch is forgotten")
	}
}

// Errors of librdkafka make the watcher look, or are only logged.
func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		code        ck.ErrorCode
		lost, asked bool
		says        string
	}{
		{code: ck.ErrAutoOffsetReset, lost: true, asked: true},
		{code: ck.ErrOffsetOutOfRange, lost: true, asked: true},
		{code: ck.ErrLogTruncation, lost: true, asked: true},
		{code: ck.ErrUnknownTopicOrPart, asked: true},
		{code: ck.ErrUnknownTopicID, asked: true},
		{code: ck.ErrInconsistentTopicID, asked: true},
		{code: ck.ErrTransport, says: "the text"},
		{code: ck.ErrTopicAuthorizationFailed, says: "ACL Read on topic " + testTopic},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			var log bytes.Buffer
			asked := false
			r := &reader{
				opts: &Options{}, log: slog.New(slog.NewTextHandler(&log, nil)), ask: func() { asked = true },
				parts: map[partitionKey]*partition{},
			}
			p := newPartition(both[0], 0, 7, 0, 10)
			r.parts[p.key()] = p
			r.trouble(t.Context(), librdkafka.Error{Error: ck.NewError(c.code, "the text", false)})
			if r.takeLost()[anyTopic] != c.lost || asked != c.asked || !strings.Contains(log.String(), c.says) || (c.says == "") != (log.Len() == 0) {
				t.Errorf("asked %t; %s", asked, log.String())
			}
		})
	}
	t.Run("in the place of a record", func(t *testing.T) {
		asked := false
		r := &reader{ask: func() { asked = true }, parts: map[partitionKey]*partition{}}
		p := newPartition(both[0], 0, 7, 5, 10)
		r.parts[p.key()] = p
		r.message(&librdkafka.Record{Topic: p.topic, Partition: p.number, Offset: 5, Failed: true})
		if !asked || !r.takeLost()[testTopic] || p.position.Load() != 5 {
			t.Errorf("asked %t, goes on at %d", asked, p.position.Load())
		}
	})
}

// The log says what is wrong with a producer's keys.
func TestKeysAreWarnedAbout(t *testing.T) {
	var log bytes.Buffer
	o := testOptions("127.0.0.1:1", &sink{})
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	r, err := newReader(&o, make(chan ck.LogEvent, 10))
	if err != nil {
		t.Fatal(err)
	}
	defer closeConsumer(r.consumer)
	c := r.count(testProject)
	record := &bus.Record{Project: testProject, Destination: "/topic/shop/a"}
	first, second := newPartition(both[0], 0, 7, 0, 0), newPartition(both[0], 1, 7, 0, 0)
	const key, place = "key is not its destination", "is in two partitions"
	for i, step := range []struct {
		p          *partition
		key        string
		says       []string
		keys, both uint64
	}{
		{p: first, key: "/topic/shop/a"},
		{p: first, key: "", says: []string{key}, keys: 1},
		{p: second, key: "/topic/shop/a", says: []string{place}, keys: 1, both: 1},
		{p: first, key: "b", says: []string{key, place}, keys: 2, both: 2},
	} {
		log.Reset()
		r.look(step.p, c, record, []byte(step.key))
		for _, text := range []string{key, place} {
			if strings.Contains(log.String(), text) != slices.Contains(step.says, text) {
				t.Errorf("step %d: %s", i, log.String())
			}
		}
		if c.keys.Load() != step.keys || c.scattered.Load() != step.both {
			t.Errorf("step %d: %d keys, %d in two partitions", i, c.keys.Load(), c.scattered.Load())
		}
	}
	log.Reset()
	for range 1000 {
		r.look(second, c, record, []byte("b"))
	}
	if n := strings.Count(log.String(), "\n"); n > 20 {
		t.Errorf("1000 records made %d lines", n)
	}
}

// Unreadable records are counted, logged at a limited rate, and never stop the reader.
func TestPoisonIsToldSeldom(t *testing.T) {
	for _, c := range []struct {
		name, destination, says string
	}{
		{"no record", "", "not an envelope"},
		{"a panic", "/topic/shop/panic", "panic: by the test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			own := func(string, string) bool { panic("by the test") }
			r := &reader{decoder: Decoder{Own: own}, log: slog.New(slog.NewTextHandler(&log, nil)), poisonLog: rate.Sometimes{First: 5, Interval: time.Hour}}
			p := newPartition(both[0], 0, 7, 0, 0)
			for i := range 1000 {
				m := &librdkafka.Record{Value: []byte("x"), Topic: p.topic, Partition: p.number, Offset: int64(i)}
				if c.destination != "" {
					m.Headers = []Header{{Name: headerDestination, Value: []byte(c.destination)}}
				}
				if taken := r.deliver(p, r.count(testProject), m); taken != nil {
					t.Fatal("it was delivered")
				}
			}
			if n := r.count(testProject).poison.Load(); n != 1000 {
				t.Errorf("%d counted", n)
			}
			if n := strings.Count(log.String(), c.says); n < 1 || n > 10 {
				t.Errorf("%d lines say %q:\n%s", n, c.says, log.String())
			}
		})
	}
}

// A node with many projects does not list the trouble of each.
func TestSomeTroubles(t *testing.T) {
	var all []error
	for i := range mostTold + 3 {
		all = append(all, fmt.Errorf("topic %d is missing", i))
	}
	if err := some(nil); err != nil {
		t.Error(err)
	}
	if err := some(all[:mostTold]); strings.Contains(err.Error(), "more") || !strings.Contains(err.Error(), "topic 4 ") {
		t.Error(err)
	}
	if err := some(all); !strings.HasSuffix(err.Error(), "topic 4 is missing\nand 3 more") {
		t.Error(err)
	}
}
