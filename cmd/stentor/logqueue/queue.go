// Package logqueue decouples the writers of the log from its reader. A pipe that nobody reads, a terminal that
// was stopped, a disk that is slow: a write to it takes as long as it likes, and an event loop that logs has a
// million clients.
//
//	q := logqueue.New(os.Stderr, note)
//	defer q.Close(time.Second)
//	log := slog.New(slog.NewTextHandler(q, nil))
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// most is how many bytes wait for the reader.
const most = 1 << 20

// Queue is a writer that never blocks and never fails. One goroutine writes what it is given, a whole line with each
// Write, to where it goes; what does not fit is dropped and counted.
type Queue struct {
	to      io.Writer
	note    func(lines uint64) []byte
	dropped atomic.Uint64
	wake    chan struct{} // there is something to do
	done    chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting []byte
	closed  bool
}

// New starts a Queue to a writer. note makes the line that says how many were dropped, once it flows again; several
// goroutines do not call it at once.
func New(to io.Writer, note func(lines uint64) []byte) *Queue {
	q := &Queue{to: to, note: note, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes a line, whatever becomes of it. Any goroutine may call it.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	fits := !q.closed && len(q.waiting)+len(line) <= most
	if fits {
		q.waiting = append(q.waiting, line...)
	}
	q.mu.Unlock()
	if fits {
		q.signal()
	} else {
		q.dropped.Add(1)
	}
	return len(line), nil
}

// Dropped is how many lines were lost so far.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Close writes what waits, for a time of at most patience, and ends.
func (q *Queue) Close(patience time.Duration) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
	select {
	case <-q.done:
	case <-time.After(patience):
	}
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) run() {
	defer close(q.done)
	var noted uint64
	for range q.wake {
		for {
			batch, closed := q.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			if !q.write(batch) {
				continue
			}
			if n := q.dropped.Load(); n > noted && q.write(q.note(n-noted)) {
				noted = n
			}
		}
	}
}

// take takes all that waits.
func (q *Queue) take() (batch []byte, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.waiting = q.waiting, nil
	return batch, q.closed
}

// write writes whole lines. Those that an error takes are dropped: the reader may be gone, or come back.
func (q *Queue) write(lines []byte) bool {
	n, err := q.to.Write(lines)
	if err != nil {
		q.dropped.Add(uint64(bytes.Count(lines[n:], []byte{'\n'})))
	}
	return err == nil
}
