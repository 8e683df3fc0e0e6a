package kafka

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/kafka/internal/librdkafka"
)

// A starting node waits for each project that makes progress, but for none forever while there is another one to serve.
func TestStart(t *testing.T) {
	const patience = 10 * time.Second
	now := time.Unix(1, 0)
	s := start{patience: patience}
	shop, bank := wanted{bus.Topic{Project: "shop"}, &life{}}, wanted{bus.Topic{Project: "bank"}, &life{}}
	away := errors.New("no broker answers")
	look := func(projects ...wanted) error { return s.look(now, projects, nil) }
	wants := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}

	if err := look(); err != nil {
		t.Errorf("a node without projects: %v", err)
	}
	wants(look(shop, bank), "not been found")
	shop.life.note(nil)
	shop.life.served.Store(true)
	bank.life.behind.Store(2)
	bank.life.note(nil)
	wants(look(shop, bank), "2 partitions")

	for range 3 { // as long as anything comes
		now = now.Add(patience - 1)
		bank.life.early.Add(1)
		wants(look(shop, bank), "2 partitions")
	}
	now = now.Add(patience)
	wants(s.look(now, []wanted{shop, bank}, away), "no broker")
	wants(look(shop, bank), "2 partitions") // the brokers have just come back
	now = now.Add(patience)
	if err := look(shop, bank); err != nil {
		t.Errorf("nothing came: %v", err)
	}

	bank.life.note(errors.New("no topic"))
	s = start{patience: patience}
	wants(look(shop, bank), "no topic")
	now = now.Add(patience)
	if err := look(shop, bank); err != nil {
		t.Errorf("a project without a topic: %v", err)
	}
	wants(look(bank), "no topic") // and no other one to serve
}

// A partition without any answers does not keep a node from serving, however busy the other partitions of its topic are.
func TestBusyBesideAStuckPartition(t *testing.T) {
	topic, l := bus.Topic{Project: testProject, Name: testTopic}, &life{}
	r := &reader{
		sink: &sink{applied: map[int32]bus.Position{}}, log: slog.New(slog.DiscardHandler), decoder: Decoder{Own: ownTest},
		parts: map[partitionKey]*partition{}, paused: map[string]bool{}, places: map[string]map[uint64]int32{},
	}
	stuck, busy := newPartition(topic, 0, 7, 0, 10), newPartition(topic, 1, 7, 0, 2)
	for _, p := range []*partition{stuck, busy} {
		p.life = l
		r.parts[p.key()] = p
		l.behind.Add(1)
	}
	l.note(nil)
	other := &life{}
	other.served.Store(true)
	now, s := time.Unix(1, 0), start{patience: patience}
	var err error
	for offset := range int64(6) {
		r.message(&librdkafka.Record{Topic: testTopic, Partition: 1, Offset: offset})
		err = s.look(now, []wanted{{topic, l}, {bus.Topic{Project: otherProject}, other}}, nil)
		if offset < 2 && err == nil {
			t.Errorf("offset %d: the node is ready, and the project gets further", offset)
		}
		now = now.Add(patience / 2)
	}
	if err != nil || l.behind.Load() != 1 {
		t.Errorf("%v, %d partitions have not caught up", err, l.behind.Load())
	}
}

// A project without a topic does not keep the others from being served, and is served as soon as it has one.
func TestOneProjectLeavesTheOthers(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	o := testOptions(mc.BootstrapServers(), s)
	o.patience = time.Millisecond
	b := open(t, o)
	b.SetProjects(both)
	ready(t, b)
	if err := b.Serves(testProject); err != nil {
		t.Error(err)
	}
	if _, err := push(b, "/topic/shop/a", "1"); err != nil {
		t.Error(err)
	}
	if err := b.Serves(otherProject); err == nil || !strings.Contains(err.Error(), "topic "+otherTopic+" of project bank does not exist") {
		t.Error(err)
	}
	if err := b.Serves("nobody"); err == nil {
		t.Error("a project is served that is none")
	}
	if _, err := pushTo(b, otherProject, "/topic/bank/a", "1"); !errors.Is(err, bus.ErrUnserved) || !errors.Is(b.Room(otherProject, 1, 1), bus.ErrUnserved) {
		t.Error(err)
	}
	if err := mc.CreateTopic(otherTopic, 1, 1); err != nil {
		t.Fatal(err)
	}
	until(t, "the other project", func() bool { return b.Serves(otherProject) == nil })
	if _, err := pushTo(b, otherProject, "/topic/bank/a", "2"); err != nil {
		t.Error(err)
	}
	until(t, "delivered", func() bool { return len(s.of(otherProject)) == 1 })
}
