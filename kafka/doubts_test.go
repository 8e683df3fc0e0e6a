package kafka

import (
	"errors"
	"testing"
	"time"

	"stentor/engine/bus"
)

func TestDoubts(t *testing.T) {
	now := time.Unix(1, 0)
	type answer struct {
		pos bus.Position
		err error
	}
	var d doubts
	answers := map[string][]answer{}
	for _, project := range []string{"seen", "same", "gone"} {
		d.add(doubt{project, bus.Position{Epoch: 1, Offset: 5}, now, func(pos bus.Position, err error) {
			answers[project] = append(answers[project], answer{pos, err})
		}})
	}
	places := map[string]place{"seen": {epoch: 2}, "same": {epoch: 1}}
	if !d.settle(places, now) || len(answers) != 1 || len(answers["seen"]) != 1 {
		t.Fatalf("at first %v", answers)
	}
	if got := answers["seen"][0]; got.err != nil || got.pos != (bus.Position{Epoch: 2, Offset: 5}) {
		t.Errorf("seen: %v", got)
	}
	if d.settle(places, now.Add(doubtTime+1)) {
		t.Error("some are left")
	}
	for _, project := range []string{"same", "gone"} {
		if got := answers[project]; len(got) != 1 || !errors.Is(got[0].err, bus.ErrUnavailable) {
			t.Errorf("%s: %v", project, got)
		}
	}
	refused := 0
	for range maxDoubts + 1 {
		d.add(doubt{done: func(bus.Position, error) { refused++ }})
	}
	if refused != 1 {
		t.Errorf("%d were refused", refused)
	}
}

// A push at an offset that an earlier record of its topic had is not answered with that record's epoch.
func TestPushInAnotherTopic(t *testing.T) {
	mc := mock(t, 1)
	b := open(t, testOptions(mc.BootstrapServers(), &sink{}))
	ready(t, b)
	if pos, err := push(b, "/topic/shop/a", "1"); err != nil || pos.Epoch == 6 {
		t.Fatal(pos, err)
	}
	before := *b.places.Load()
	at := before[testProject]
	p := newPartition(bus.Topic{Project: testProject, Name: testTopic}, 0, 6, 0, 100)
	p.position.Store(100)
	was := map[string]place{testProject: {topic: testTopic, epoch: 6, parts: []*partition{p}}} // what a node saw before the topic was made again
	if !b.places.CompareAndSwap(b.places.Load(), &was) {
		t.Fatal("the watcher looks too often for this test")
	}
	if pos, err := push(b, "/topic/shop/a", "2"); err != nil || pos.Epoch != at.epoch || pos.Offset != 1 {
		t.Errorf("%v, %v", pos, err)
	}
}
