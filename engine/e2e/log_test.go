package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/stomp"
)

// startReading starts a server whose log comes through a small pipe. It is read up to where the server says where it listens,
// and then left as it is.
func startReading(t *testing.T) (s *server, log *os.File) {
	t.Helper()
	log, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if _, err := unix.FcntlInt(theirs.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	s = &server{t: t, file: t.TempDir() + "/stentor.yaml", ended: make(chan struct{})}
	s.configure(shop)
	s.cmd = program("serve", "--config", s.file, "--set", "listen.client=127.0.0.1:0", "--set", "listen.api=127.0.0.1:0", "--set", "log.format=json")
	s.cmd.Stderr = theirs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	go func() {
		s.result = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
	})
	_ = log.SetReadDeadline(time.Now().Add(patience))
	for lines := bufio.NewReaderSize(log, 16); ; {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == "serving" {
			s.Client = strings.TrimSuffix(strings.TrimPrefix(line["clients"].(string), "ws://"), "/ws")
			s.API = strings.TrimSuffix(line["api"].(string), "/")
			return s, log
		}
	}
}

// reloads has the server log some lines.
func (s *server) reloads(times int) {
	for range times {
		s.signal(syscall.SIGHUP)
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
	s, _ := startReading(t)
	old := s.join(t)
	old.subscribe("a", "/topic/shop/sent/all")
	s.reloads(300) // some 30 KB, in a pipe of 4
	s.serves(t, old, "while it stands")
	s.term()
	select {
	case <-s.ended:
		if s.result != nil {
			t.Error(s.result)
		}
	case <-time.After(patience):
		t.Error("the server does not end")
	}
}

// TestLogGone: the reader of the log has ended. SIGPIPE would end the node.
func TestLogGone(t *testing.T) {
	t.Parallel()
	s, log := startReading(t)
	old := s.join(t)
	old.subscribe("a", "/topic/shop/sent/all")
	_ = log.Close()
	s.reloads(20)
	eventually(t, "lines are dropped and counted", func() bool { return s.metric(t, "stentor_log_dropped_total") > 0 })
	s.serves(t, old, "without a reader")
	s.term()
	select {
	case <-s.ended:
		if s.result != nil {
			t.Error(s.result)
		}
	case <-time.After(patience):
		t.Error("the server does not end")
	}
}
