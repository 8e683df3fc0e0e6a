package xhr

import (
	"bytes"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/shard"
	"stentor/engine/sockjs"
)

// Session is a session over HTTP: the socket of a shard's connection. The shard writes lines to it, one a frame of SockJS, and
// the receiver takes them, which is a request that waits for them. Between two receivers they wait here.
//
// It outlives the shard's connection, until a client has had time to ask how it ended.
type Session struct {
	all       *Sessions
	key       key
	home      Shard
	address   netip.AddrPort // the client's
	transport string         // of its first receiver

	conn  *shard.Conn // the loop's; nil before it is open and after its end
	known atomic.Bool // it was authenticated

	vouched []*entry // connections that it vouches for; under the server's mu, like
	parted  bool     // it is gone, and vouches for no more

	mu       sync.Mutex
	out      []byte    // what no receiver has taken
	cut      bool      // what receivers have taken ends within a line
	receiver *receiver // nil when there is none
	left     time.Time // when the last one left
	timer    *time.Timer
	ended    bool
	goodbye  []byte // the line that a session ended with
	watches  bool   // the shard waits for room
	watch    shard.Ref
}

// window is how much may wait for a receiver before the shard is told that the client is slow. Without it each gap between two
// polls would make every client slow.
const window = 16 << 10

// receiver is a request that receives.
type receiver struct {
	conn Conn
	wake chan struct{} // there is something to do
	busy bool          // it writes what it has taken; under the session's mu
}

func newReceiver(c Conn) *receiver { return &receiver{conn: c, wake: make(chan struct{}, 1)} }

// Lines that the client gets in place of a session's.
var (
	stillOpen   = line(2010, "Another connection still open")
	goAway      = line(3000, "Go away!")
	interrupted = line(1002, "Connection interrupted")
)

func line(code int, reason string) []byte { return append(sockjs.AppendClose(nil, code, reason), '\n') }

// Transport is what operators are shown.
func (s *Session) Transport() string { return s.transport }

// Write implements shard.Socket. It takes whole lines.
func (s *Session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return len(p), nil
	}
	if !s.known.Load() && s.conn != nil && s.conn.Known() {
		s.known.Store(true)
		s.all.conf.Host.Known(s.address)
	}
	if last := p[bytes.LastIndexByte(p[:max(0, len(p)-1)], '\n')+1:]; bytes.HasPrefix(last, closing) {
		s.goodbye = bytes.Clone(last)
	}
	s.put(p)
	return len(p), nil
}

var closing = []byte("c[")

// Offer implements shard.Virtual.
func (s *Session) Offer(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = p[:min(len(p), max(0, window-len(s.out)))]
	s.put(p)
	return len(p), nil
}

// put adds to what waits. What comes once the session is over, before the shard knows it, is dropped: behind what an interrupted
// receiver lost, a client would take it for all there was. The caller has mu.
func (s *Session) put(p []byte) {
	if s.ended {
		return
	}
	s.out = append(s.out, p...)
	s.rouse()
}

// rouse tells the receiver that there is something to do. The caller has mu.
func (s *Session) rouse() {
	if s.receiver != nil {
		select {
		case s.receiver.wake <- struct{}{}:
		default:
		}
	}
}

// OutboundBuffered implements shard.Socket.
func (s *Session) OutboundBuffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) < window {
		return 0
	}
	return len(s.out)
}

// Watch implements shard.Virtual.
func (s *Session) Watch(r shard.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch, s.watches = r, true
	s.notice()
	return true
}

// Unwatch implements shard.Virtual.
func (s *Session) Unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = false
}

// notice tells a shard that waits for room when there is some. The caller has mu.
func (s *Session) notice() {
	if s.watches && len(s.out) < window {
		s.watches = false
		s.home.Writable([]shard.Ref{s.watch})
	}
}

// CloseWrite implements shard.Virtual: receivers get what was written, and the session is over.
func (s *Session) CloseWrite() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.release()
}

// Close implements shard.Virtual: what was written is lost, but for the line that the session ends with.
func (s *Session) Close() {
	s.mu.Lock()
	if !s.ended {
		s.out = nil
		if !s.cut {
			s.out = s.goodbye
		}
		if r := s.receiver; r != nil && (r.busy || s.cut) {
			r.conn.Abort() // what it writes would not be whole, or its client does not read
		}
		s.end()
	}
	s.mu.Unlock()
	s.release()
}

// end lets receivers take what is left. The caller has mu.
func (s *Session) end() {
	if s.ended {
		return
	}
	s.ended = true
	s.rouse()
	if s.receiver == nil {
		s.wait()
	}
}

// release gives the shard's connection up, in the loop.
func (s *Session) release() {
	if c := s.conn; c != nil {
		s.conn = nil
		s.home.Gone(c)
	}
}

// open opens the shard's connection, in the loop.
func (s *Session) open(a shard.Admission) {
	c := s.home.OpenSession(s, &a)
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if s.conn = c; ended {
		s.release()
	}
}

// attach makes r the receiver. When it cannot be, it returns what r's client gets instead.
func (s *Session) attach(r *receiver) (instead []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.receiver != nil:
		return stillOpen
	case s.ended && len(s.out) == 0:
		return s.lastWords()
	}
	s.receiver = r
	s.all.receivers.Add(1)
	if s.timer != nil {
		s.timer.Stop()
	}
	return nil
}

// lastWords are what clients of a session that is over get. The caller has mu.
func (s *Session) lastWords() []byte {
	if s.goodbye != nil {
		return s.goodbye
	}
	return goAway
}

// take gives r what waits. whole means that it ends with a line; over that nothing will follow.
func (s *Session) take(r *receiver) (p []byte, whole, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receiver != r {
		return nil, true, true
	}
	p, s.out = s.out, nil
	if r.busy = len(p) > 0; r.busy {
		s.cut = p[len(p)-1] != '\n'
	}
	s.notice()
	return p, !s.cut, s.ended
}

// last is lastWords for who does not have mu.
func (s *Session) last() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastWords()
}

// leave says that r has answered, and its client can read all of it: the next one is awaited.
func (s *Session) leave(r *receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receiver == r {
		s.receiver = nil
		s.all.receivers.Add(-1)
		s.wait()
	}
}

// interrupt says that r's client is gone. What it was given may be lost, and so the session is over: the client has to resume.
func (s *Session) interrupt(r *receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receiver != r {
		return
	}
	s.receiver, s.out = nil, nil
	s.all.receivers.Add(-1)
	if !s.ended {
		s.goodbye = interrupted
		s.end()
		s.home.Post(s.release)
		return
	}
	s.wait()
}

// wait begins the time in which a receiver must come. The caller has mu.
func (s *Session) wait() {
	s.left = time.Now()
	if s.timer == nil {
		s.timer = time.AfterFunc(s.all.conf.Expiry, s.expire)
		return
	}
	s.timer.Reset(s.all.conf.Expiry)
}

// expire ends a session whose receiver has been gone for too long, and forgets one that was over.
func (s *Session) expire() {
	s.mu.Lock()
	if s.receiver != nil || time.Since(s.left) < s.all.conf.Expiry {
		s.mu.Unlock()
		return
	}
	over := s.ended
	s.ended, s.out = true, nil
	s.mu.Unlock()
	if !over {
		s.home.Post(s.release)
	}
	s.all.remove(s)
}

// input hands what a client has sent to the shard, and returns when it has it. It reports false when the session is over.
func (s *Session) input(stomp []byte, gone <-chan struct{}) bool {
	taken := make(chan bool, 1)
	s.home.Post(func() {
		open := s.conn != nil
		if open {
			s.home.Input(s.conn, stomp)
		}
		taken <- open
	})
	select {
	case ok := <-taken:
		return ok
	case <-gone:
		return false
	}
}
