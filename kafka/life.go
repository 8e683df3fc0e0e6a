package kafka

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// life is a project's time on this node. One that is removed and added again has another, even if nobody had the time to look
// in between: the node has nothing of its history any more. Any goroutine may ask it.
type life struct {
	ended  atomic.Bool
	served atomic.Bool // the node has read what there was at the start: it stays so, see Bus.Serves

	found   atomic.Bool            // the reader has its partitions
	behind  atomic.Int64           // of them those that have not caught up
	early   atomic.Uint64          // records that were read of partitions before these had caught up
	trouble atomic.Pointer[string] // why the last look could not bring them to the reader; nil: it could
	denied  atomic.Pointer[string] // why the consumer cannot read them, for want of a right

	mute atomic.Pointer[string] // why what its clients send cannot be handed to the back ends; nil: it can, or nobody may send
}

func (l *life) over() bool { return l.ended.Load() }

// caughtUp reports whether everything has been read that there was at the start.
func (l *life) caughtUp() bool { return l.found.Load() && l.behind.Load() == 0 }

// readable reports whether the project is one that can be read late: it is served, and its topic is there.
func (l *life) readable() bool { return l.served.Load() && l.trouble.Load() == nil }

// obstacle is what an operator has to mend before the project can be read; nil where there is nothing but to wait.
func (l *life) obstacle() error {
	for _, why := range []*string{l.trouble.Load(), l.denied.Load()} {
		if why != nil {
			return errors.New(*why)
		}
	}
	return nil
}

// why is why the project is not served yet.
func (l *life) why() error {
	if err := l.obstacle(); err != nil {
		return err
	}
	if !l.found.Load() {
		return errNotFound
	}
	return fmt.Errorf("%d partitions are still being read", l.behind.Load())
}

var errNotFound = errors.New("the topic has not been found yet")

// note keeps how a look at the topic went.
func (l *life) note(err error) {
	if err == nil {
		l.found.Store(true)
	}
	keep(&l.trouble, err)
}

func keep(at *atomic.Pointer[string], err error) {
	if err == nil {
		at.Store(nil)
		return
	}
	text := oneLine(err)
	at.Store(&text)
}
