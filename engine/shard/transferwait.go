package shard

import (
	"time"

	"stentor/engine/session"
)

// waitForSocket arranges the next try of the transfer: when its socket takes more, or after some time if it cannot be
// watched.
func (s *Shard) waitForSocket(c *Conn) {
	t := s.moves[c.idx]
	t.tried, t.waited = s.millis(), true
	if s.conf.Watch != nil && s.conf.Watch(c.socket, c.ref()) {
		t.watched = true
		t.wait = watchedWait
	} else {
		t.wait = min(max(1, 2*t.wait), maxWait)
	}
	if c.sess.Phase == session.Connected {
		s.rearm(c)
	}
}

// watchedWait is after how many ticks a transfer is tried again whose socket is watched: 10 s, in case the notice got lost.
const watchedWait = 500

// Writable reports that sockets take more, as Config.Watch was asked to. Any goroutine may call it.
func (s *Shard) Writable(all []Ref) {
	s.Post(func() {
		for _, r := range all {
			if c := s.find(r); c != nil && c.moves {
				s.queueTransfer(s.moves[c.idx])
			}
		}
	})
}

// retryTransfer has c's transfer take a turn when its time has come.
func (s *Shard) retryTransfer(c *Conn) {
	if t := s.moves[c.idx]; s.millis()-t.tried >= t.wait*tickMillis {
		s.queueTransfer(t)
	}
}

// attend looks after a transfer that waits for its socket, and reports whether the connection still stands. A client
// that takes nothing within a frame can only be closed, whatever the policy.
func (s *Shard) attend(c *Conn) (stands bool) {
	t := s.moves[c.idx]
	if t.queued {
		return true
	}
	if time.Duration(s.millis()-t.moved)*time.Millisecond > t.project.settings.SlowTimeout && !s.grace.lasts {
		s.tooSlow(c)
		return false
	}
	s.retryTransfer(c)
	return true
}

// overdue reports whether a session that ends has waited long enough for its client to take the rest of a frame.
func (s *Shard) overdue(t *transfer) bool {
	now := s.millis()
	if t.until == 0 {
		t.until = max(1, now+uint32(lingerTime.Milliseconds())+uint32(t.left()*1000/closingRate))
	}
	if t.queued { // the loop is late, not the client
		t.conn.lastWrite = now
	}
	return int32(now-t.until) > 0
}
