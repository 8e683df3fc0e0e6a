package kafka

import (
	"fmt"
	"sync"
	"time"

	"stentor/engine/bus"
)

// doubts are pushes that Kafka has acknowledged at offsets that earlier records of their topic had: the topic was recreated.
// Each is answered with its true epoch, once the watcher has seen the new topic.
type doubts struct {
	mu  sync.Mutex
	all []doubt
}

type doubt struct {
	project string
	pos     bus.Position // with the old topic's epoch, which is wrong
	since   time.Time
	done    func(bus.Position, error)
}

const (
	doubtTime = 3 * time.Second // for the watcher to see the new topic
	maxDoubts = 10_000
)

var errDoubt = fmt.Errorf("%w: Kafka accepted the push, but its topic was recreated", bus.ErrUnavailable)

func (d *doubts) add(one doubt) {
	d.mu.Lock()
	room := len(d.all) < maxDoubts
	if room {
		d.all = append(d.all, one)
	}
	d.mu.Unlock()
	if !room {
		one.done(bus.Position{}, errDoubt)
	}
}

// settle answers those whose new topic was seen, and those that have waited too long. It reports whether some are left.
func (d *doubts) settle(places map[string]place, now time.Time) (left bool) {
	d.mu.Lock()
	all := d.all
	d.all = nil
	d.mu.Unlock()
	for _, one := range all {
		at, ok := places[one.project]
		switch {
		case ok && at.epoch != one.pos.Epoch:
			one.pos.Epoch = at.epoch
			one.done(one.pos, nil)
		case now.Sub(one.since) > doubtTime:
			one.done(bus.Position{}, errDoubt)
		default:
			d.add(one)
			left = true
		}
	}
	return left
}
