// Package logqueue decouples the writers of the log from its reader. A write to a pipe that nobody reads, a stopped
// terminal or a slow disk may block for any time, and an event loop that logs serves a million clients.
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

// most bounds the bytes that wait for the reader.
const most = 1 << 20

// Queue is a writer that never blocks and never fails. Each Write has to be a whole line. One goroutine passes the lines on;
// lines that do not fit the queue are dropped and counted.
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

// New starts a Queue to a writer. note makes the line that says how many lines were dropped, once writes succeed again. Only
// one goroutine at a time calls it.
func New(to io.Writer, note func(lines uint64) []byte) *Queue {
	q := &Queue{to: to, note: note, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues or drops a line. Any goroutine may call it.
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

// Dropped returns how many lines were dropped so far.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Close writes the queued lines, for at most patience, and ends.
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

// take takes all queued lines.
func (q *Queue) take() (batch []byte, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.waiting = q.waiting, nil
	return batch, q.closed
}

// write writes whole lines. After an error the rest is dropped: the reader may be gone, or come back.
func (q *Queue) write(lines []byte) bool {
	n, err := q.to.Write(lines)
	if err != nil {
		q.dropped.Add(uint64(bytes.Count(lines[n:], []byte{'\n'})))
	}
	return err == nil
}
