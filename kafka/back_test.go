package kafka

import (
	"fmt"
	"sync"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

func TestWorthIt(t *testing.T) {
	for _, c := range []struct {
		next, begin, end int64
		want             bool
	}{
		{next: 100, begin: 100, end: 100},
		{next: 101, begin: 100, end: 200},
		{next: 99, begin: 100, end: 100, want: true},
		{next: 0, begin: mostBack, end: mostBack, want: true},
		{next: 0, begin: mostBack + 1, end: mostBack + 1},
		{next: 0, begin: 1e6, end: 2e6, want: true},
		{next: 0, begin: 1e6, end: 2e6 - 1},
	} {
		if worthIt(c.next, c.begin, c.end) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// A node that was down for longer than its window begins where its saved history ends, if those records still exist.
func TestRealReachesBack(t *testing.T) {
	const old, fresh = 20, 5
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	for i := range old + fresh {
		at := time.Now()
		if i < old {
			at = at.Add(-time.Hour)
		}
		done := make(chan error, 1)
		b.Publish(&bus.Record{Project: testProject, Destination: "/topic/shop/a", ID: fmt.Sprint(i), Time: at}, func(_ bus.Position, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	until(t, "delivered", func() bool { return s.count() == old+fresh })
	epoch := s.at[0].Epoch
	for _, c := range []struct {
		name        string
		next, begin int64
	}{
		{"knows", 15, 15},
		{"up to the window", old, old},
		{"more than there is", 1000, old},
		{"nothing", old, old},
		{"what was deleted", 9, old},
	} {
		if c.next == 9 {
			if _, err := b.admin.DeleteRecords(t.Context(), []ck.TopicPartition{{Topic: &topic, Offset: 10}}); err != nil {
				t.Fatal(err)
			}
		}
		later := &sink{}
		o2 := o
		o2.Node, o2.Sink, o2.Window, later.applied = o.Node+"-2", later, 10*time.Minute, map[int32]bus.Position{}
		var mu sync.Mutex
		var asked []string
		o2.Covered = func(project string, begin bus.Position, end int64) int64 {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprint(project, begin, end))
			return c.next
		}
		b2 := openTopic(t, o2, topic)
		ready(t, b2)
		closeBus(b2)
		if want := fmt.Sprint(testProject, bus.Position{Epoch: epoch, Offset: old}, old+fresh); len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: asked %q, want %q", c.name, asked, want)
		}
		if len(later.begins) != 1 || later.begins[0].Offset != c.begin {
			t.Errorf("%s: it begins at %v, want %d", c.name, later.begins, c.begin)
		}
		inOrder(t, later.ids(), int(c.begin))
		if n := later.count(); n != int(old+fresh-c.begin) {
			t.Errorf("%s: ready with %d pushes", c.name, n)
		}
	}
}
