package kafka

import (
	"errors"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

// A partition that the consumer refuses is retried, and delivered from its begin; no other partition waits for it.
func TestReadAgain(t *testing.T) {
	s := &sink{}
	b := openTwo(t, s)
	pushN(t, b, testProject, 20)
	until(t, "delivered", func() bool { return len(s.of(testProject)) == 20 })
	failures := 0
	inReader(b, func(r *reader) {
		take := r.assign
		r.assign = func(list []ck.TopicPartition) error {
			for _, tp := range list {
				if *tp.Topic == otherTopic && failures < 3 {
					failures++
					return errors.New("by the test")
				}
			}
			return take(list)
		}
	})
	b.SetProjects(both[:1])
	until(t, "left", func() bool { return len(*b.places.Load()) == 1 })
	b.SetProjects(both)
	until(t, "found again", func() bool { return len(*b.places.Load()) == 2 })
	pushN(t, b, otherProject, 20)
	until(t, "delivered", func() bool { return len(s.of(otherProject)) >= 20 })
	inReader(b, func(*reader) {
		if failures != 3 {
			t.Errorf("%d failures", failures)
		}
	})
}

func TestBackOff(t *testing.T) {
	var b backOff
	now := time.Now()
	if b.due(now) {
		t.Error("there is nothing to do")
	}
	last := time.Duration(0)
	for range 10 {
		b.after(now)
		b.after(now.Add(time.Hour)) // there is a plan
		wait := b.at.Sub(now)
		if wait < last || wait > mostWait || b.due(now.Add(wait-1)) || !b.due(now.Add(wait)) {
			t.Errorf("%s after %s", wait, last)
		}
		last = wait
		b.clear()
	}
	if last != mostWait {
		t.Errorf("at last it waits %s", last)
	}
}

// A producer that has failed permanently is replaced, even if the first attempt fails.
func TestProducerIsMadeAnew(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	p := b.producer
	p.mu.Lock()
	old, connect, failures := p.client, p.connect, 0
	p.connect = func(conf *ck.ConfigMap) (*ck.Producer, error) {
		if failures++; failures <= 2 {
			return nil, errors.New("by the test")
		}
		return connect(conf)
	}
	p.mu.Unlock()
	for range 3 { // it may say so more than once
		go p.replace(old, errors.New("fatal"))
	}
	until(t, "replaced", func() bool { return p.rebuilds.Load() == 1 })
	if _, err := push(b, "/topic/shop/a", "1"); err != nil {
		t.Error(err)
	}
	if failures != 3 {
		t.Errorf("%d attempts", failures)
	}
}

// A producer that cannot be replaced does not delay a node that leaves.
func TestProducerIsNotMadeAnewForEver(t *testing.T) {
	mc := mock(t, 1)
	b := open(t, testOptions(mc.BootstrapServers(), &sink{}))
	ready(t, b)
	p := b.producer
	p.mu.Lock()
	old := p.client
	p.connect = func(*ck.ConfigMap) (*ck.Producer, error) { return nil, errors.New("by the test") }
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		p.replace(old, errors.New("fatal"))
		close(done)
	}()
	b.Flush(t.Context())
	<-done
}

// A project that is removed and added again is a new one, even if the bus did not look in between: it begins anew, with
// everything within the window.
func TestRemovedAndAddedAgain(t *testing.T) {
	for _, slow := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(slow.String(), func(t *testing.T) { removedAndAddedAgain(t, slow) })
	}
}

func removedAndAddedAgain(t *testing.T, slow time.Duration) {
	mc := mock(t, 1)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	pushN(t, b, testProject, 10)
	until(t, "delivered", func() bool { return s.count() == 10 })
	if err := mc.SetRoundtripDuration(1, slow); err != nil {
		t.Fatal(err)
	}
	b.watcher.lookNow()
	b.SetProjects(nil)
	b.SetProjects([]bus.Topic{{Project: testProject, Name: testTopic}})
	until(t, "it begins again", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.begins) == 2
	})
	if _, err := push(b, "/topic/shop/a", "11"); err != nil {
		t.Fatal(err)
	}
	until(t, "it is read", func() bool { ids := s.ids(); return len(ids) > 0 && ids[len(ids)-1] == "11" })
}

// A removed project is left at once: none of its pushes gets into the history of the project that now has its name.
func TestNothingOfAnotherLife(t *testing.T) {
	s := &sink{}
	b := openTwo(t, s)
	over := &life{}
	over.ended.Store(true)
	inReader(b, func(r *reader) {
		for _, p := range r.parts {
			if p.project == testProject {
				p.life = over
			}
		}
		late := newPartition(both[1], 7, 7, 0, 50)
		late.life = over
		begins := len(s.begins)
		over.behind.Add(1)
		r.add([]*partition{late})
		if len(s.begins) != begins || r.parts[late.key()] != nil || over.behind.Load() != 0 {
			t.Error("a partition was begun that is to be left")
		}
	})
	pushN(t, b, testProject, 5)
	pushN(t, b, otherProject, 5)
	until(t, "the other project", func() bool { return len(s.of(otherProject)) == 5 })
	if n := len(s.of(testProject)); n > 0 {
		t.Errorf("%d pushes came", n)
	}
}
