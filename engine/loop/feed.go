package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"stentor/engine/tls13"
)

// feed is the net.Conn below crypto/tls. During the handshake, which blocks and so has a goroutine, Read waits for what the loop
// puts, and Write hands to the kernel, or to the loop what the kernel does not take. With crypto/tls's records the loop itself
// calls both later: then Read has what give gave, and Write writes.
type feed struct {
	mu    sync.Mutex
	more  sync.Cond
	queue []byte // whole records that Read has yet to return
	had   int    // bytes that were put: crypto/tls keeps a message until it is complete
	left  int    // of the record that queue begins with
	err   error  // of Read, once queue is empty

	turns turns

	writing sync.Mutex // is held in Write, and guards what follows
	dead    bool       // Write fails: after a take-over crypto/tls would seal with numbers that are ours
	behind  bool       // send had a part: all that follows goes behind it
	// now writes what the kernel takes at once. Nobody else writes within a handshake, and fail, which the end of the connection
	// calls before its descriptor is closed, waits for it. A wake of the loop for each flight would cost as much as a tenth of a
	// handshake.
	now  func(p []byte) int
	send func(p []byte) // in the loop, later

	wants   bool // the secrets
	secrets tls13.Secrets
	wrote   []byte // since they are known

	// The loop's: the client closed the connection within the handshake.
	gone   bool
	client netip.AddrPort

	looped func(p []byte) error // writes, in the loop; nil during the handshake
	given  []byte
}

// feedMost bounds what a client sends within a handshake: certificates, and the first request behind its Finished. crypto/tls
// would keep a message of 256 KiB.
const feedMost = 64 << 10

func newFeed(t turns, now func(p []byte) int, send func(p []byte)) *feed {
	f := &feed{turns: t, now: now, send: send}
	f.more.L = &f.mu
	return f
}

// KeyLog implements certs.KeyLogger.
func (f *feed) KeyLog() io.Writer {
	if !f.wants {
		return nil
	}
	return &f.secrets
}

// kill makes Write fail for ever, and returns what crypto/tls has written since the secrets are known.
func (f *feed) kill() []byte {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.dead = true
	wrote := f.wrote
	f.wrote = nil
	return wrote
}

// held is how many bytes wait, here or in crypto/tls.
func (f *feed) held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.had, cap(f.queue))
}

// put hands records to Read, and reports whether there was room.
func (f *feed) put(records []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.had+len(records) > feedMost {
		return false
	}
	f.had += len(records)
	f.queue = append(f.queue, records...)
	f.more.Signal()
	return true
}

// fail ends the handshake: the connection is gone, or ends. Nothing is written when it has returned.
func (f *feed) fail(err error) {
	f.writing.Lock()
	f.dead = true
	f.writing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.queue = err, nil
	f.more.Signal()
}

// take returns the records that the handshake did not read.
func (f *feed) take() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := f.queue
	f.queue, f.had = nil, 0
	return rest
}

// give is put in the loop, for Read in the loop. The bytes are borrowed until the next give.
func (f *feed) give(records []byte) { f.given = records }

// again is the error of Read when there is nothing more now. crypto/tls goes on after it, as it is Temporary.
type again struct{}

func (again) Error() string   { return "there is no record yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errAgain net.Error = again{}

// errOver is the error of a Write after the take-over, or after the connection's end.
var errOver = errors.New("the handshake is over")

// Read implements net.Conn. It never returns more than the record that it is in: crypto/tls reads ahead, and what is behind the
// handshake is not its own.
func (f *feed) Read(p []byte) (int, error) {
	if f.looped != nil {
		if len(f.given) == 0 {
			return 0, errAgain
		}
		n := copy(p, f.given)
		f.given = f.given[n:]
		return n, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 && f.err == nil {
		f.wait()
	}
	if len(f.queue) == 0 {
		return 0, f.err
	}
	return f.next(p), nil
}

// wait lets others compute until there is something to read. The caller has mu.
func (f *feed) wait() {
	f.turns.leave()
	for len(f.queue) == 0 && f.err == nil {
		f.more.Wait()
	}
	f.mu.Unlock()
	f.turns.enter()
	f.mu.Lock()
}

// next copies from the record that the queue begins with, or from what is left of it.
func (f *feed) next(p []byte) int {
	if f.left == 0 {
		size, ok := recordSize(f.queue)
		if f.left = size; !ok || size == 0 { // crypto/tls refuses it
			f.left = len(f.queue)
		}
	}
	n := copy(p, f.queue[:min(f.left, len(f.queue))])
	f.left -= n
	f.queue = f.queue[n:]
	return n
}

// Write implements net.Conn. A handshake writes a flight or two, of bounded size, so that the loop may buffer them.
func (f *feed) Write(p []byte) (int, error) {
	if f.looped != nil {
		if err := f.looped(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.dead {
		return 0, errOver
	}
	if f.wants && f.secrets.Ready() {
		f.wrote = append(f.wrote, p...)
	}
	n := 0
	if !f.behind {
		n = f.now(p)
	}
	if n < len(p) {
		f.behind = true
		f.send(bytes.Clone(p[n:]))
	}
	return len(p), nil
}

// Close implements net.Conn; loops close connections.
func (f *feed) Close() error { return nil }

// LocalAddr implements net.Conn.
func (f *feed) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (f *feed) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn; the shard has the deadlines.
func (f *feed) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (f *feed) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// turns are for the processors: so many handshakes compute at once. The channel is as long as there are turns.
type turns chan struct{}

func (t turns) enter() { t <- struct{}{} }
func (t turns) leave() { <-t }
