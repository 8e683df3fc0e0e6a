package kafka

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// life is a project's time on this node. A project that is removed and added again gets a new life, even without a look at
// the topics in between: the node has dropped its history. Any goroutine may read it.
type life struct {
	ended  atomic.Bool
	served atomic.Bool // the node has read what existed at the start; never reset, see Bus.Serves

	found   atomic.Bool            // the reader has its partitions
	behind  atomic.Int64           // how many of its partitions have not caught up
	early   atomic.Uint64          // records read from partitions that had not caught up
	trouble atomic.Pointer[string] // why the last look could not hand them to the reader; nil: it could
	denied  atomic.Pointer[string] // which right the consumer lacks to read them

	mute atomic.Pointer[string] // why what its clients send cannot be forwarded to back ends; nil: it can, or nobody may send
}

func (l *life) over() bool { return l.ended.Load() }

// caughtUp reports whether everything has been read that existed at the start.
func (l *life) caughtUp() bool { return l.found.Load() && l.behind.Load() == 0 }

// readable reports whether the project counts for lateness: it is served, and its topic exists.
func (l *life) readable() bool { return l.served.Load() && l.trouble.Load() == nil }

// obstacle is what an operator has to fix before the project can be read; nil when waiting is enough.
func (l *life) obstacle() error {
	for _, why := range []*string{l.trouble.Load(), l.denied.Load()} {
		if why != nil {
			return errors.New(*why)
		}
	}
	return nil
}

// why returns why the project is not served yet.
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

// note records the outcome of a look at the topic.
func (l *life) note(err error) {
	if err == nil {
		l.found.Store(true)
	}
	keep(&l.trouble, err)
}
