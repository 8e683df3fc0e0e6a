package e2e

import (
	"syscall"
	"testing"
	"time"

	"stentor/stomp"
)

// startReading starts a server whose log comes through a small pipe. It is read up to where the server says where it listens,
// and then left as it is.
func startReading(t *testing.T) *server {
	t.Helper()
	return start(t, setup{Unread: 4096})
}

// reloads has the server log some lines.
func (s *server) reloads(times int) {
	for range times {
		s.Signal(syscall.SIGHUP)
		time.Sleep(time.Millisecond) // signals of a kind that wait are one
	}
}

// serves checks that a client that is there, and a new one, get what is pushed.
func (s *server) serves(t *testing.T, old *peer, mark string) {
	t.Helper()
	p := s.join(t)
	p.subscribe("a", "/topic/shop/sent/all")
	if err := old.send(stomp.Send, []byte(mark), "destination", "/topic/shop/sent/all"); err != nil {
		t.Fatal(err)
	}
	old.wantMessage(mark)
	p.wantMessage(mark)
}

// TestLogStands: nobody reads the log. The node serves and ends as always.
func TestLogStands(t *testing.T) {
	t.Parallel()
	s := startReading(t)
	old := s.join(t)
	old.subscribe("a", "/topic/shop/sent/all")
	s.reloads(300) // some 30 KB, in a pipe of 4
	s.serves(t, old, "while it stands")
	s.Leave()
}

// TestLogGone: the reader of the log has ended. SIGPIPE would end the node.
func TestLogGone(t *testing.T) {
	t.Parallel()
	s := startReading(t)
	old := s.join(t)
	old.subscribe("a", "/topic/shop/sent/all")
	s.CloseLog()
	s.reloads(20)
	eventually(t, "lines are dropped and counted", func() bool { return s.Metric(t, "stentor_log_dropped_total") > 0 })
	s.serves(t, old, "without a reader")
	s.Leave()
}
