package kafka

import (
	"testing"

	"stentor/engine/bus"
)

type token bool

func (t *token) Taken() bool { return bool(*t) }

// Records that the shards had not processed when the reader got a partition again still hold its stored offset back.
func TestPartitionTakesOver(t *testing.T) {
	topic := bus.Topic{Project: "shop", Name: "push"}
	var first, second token
	p := newPartition(topic, 0, 1, 10, 20)
	p.passed(11, &first)
	p.passed(12, &second)
	again := newPartition(topic, 0, 1, 12, 20)
	again.resumes, again.before = true, p
	again.takeOver()
	for i, c := range []struct {
		do   func()
		want int64
	}{
		{func() {}, 10},
		{func() { again.passed(13, nil) }, 10},
		{func() { first = true }, 11},
		{func() { second = true }, 13},
	} {
		c.do()
		if done := again.storable(); done != c.want {
			t.Errorf("step %d: %d can be stored, want %d", i, done, c.want)
		} else {
			again.stored = done
		}
	}
}
