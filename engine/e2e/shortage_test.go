package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// limitFiles sets how many files a running server may open, from outside.
func (s *server) limitFiles(files uint64) (before uint64) {
	s.t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, nil, &old); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: old.Max}, nil); err != nil {
		s.t.Fatal(err)
	}
	return old.Cur
}

// firstFree is the lowest number that none of the server's descriptors has.
func (s *server) firstFree() uint64 {
	for fd := uint64(0); ; fd++ {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", s.PID(), fd)); err != nil {
			return fd
		}
	}
}

// TestDescriptorsTakenAway: when a running node may open no more files, nobody who is there notices, new ones are told,
// or wait, and all is as before when there are files again. Over TCP, over a Unix socket, and for the API.
func TestDescriptorsTakenAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	s := start(t, setup{Client: "127.0.0.1:0,unix:" + path})
	s.Client = s.listening("ws://")[0]
	dialers := map[string]func() (*peer, error){
		"tcp": func() (*peer, error) { return open(t, &net.Dialer{Timeout: patience}, s.Client) },
		"unix": func() (*peer, error) {
			conn, err := net.DialTimeout("unix", path, patience)
			if err != nil {
				return nil, err
			}
			p := &peer{t: t, conn: conn, patience: patience, buffer: make([]byte, 16<<10)}
			t.Cleanup(p.close)
			return p, nil
		},
	}
	join := func(network string) (*peer, error) {
		p, err := dialers[network]()
		if err == nil {
			err = p.upgrade("/ws")
		}
		if err == nil {
			err = p.send(stomp.Connect, nil, "accept-version", "1.2")
		}
		if err == nil {
			_, err = p.event()
		}
		return p, err
	}
	var in []*peer
	for network := range dialers {
		for range 5 {
			p, err := join(network)
			if err != nil {
				t.Fatal(network, err)
			}
			p.subscribe("a", "/topic/shop/sent/all")
			in = append(in, p)
		}
	}
	serves := func(mark string) {
		t.Helper()
		if err := in[0].send(stomp.Send, []byte(mark), "destination", "/topic/shop/sent/all"); err != nil {
			t.Fatal(err)
		}
		for _, p := range in {
			p.wantMessage(mark)
		}
	}
	serves("before")
	caller.CloseIdleConnections()

	before := s.limitFiles(s.firstFree())
	for network := range dialers {
		for i := range 100 {
			_, err := join(network)
			var refusal *websocket.AnswerError
			if err == nil || errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable {
				t.Fatalf("%s, connection %d without a descriptor: %v", network, i, err)
			}
			var slow net.Error
			if errors.As(err, &slow) && slow.Timeout() {
				t.Fatalf("%s, connection %d: nobody says no", network, i)
			}
		}
	}
	serves("without descriptors")

	s.limitFiles(1) // now not even the spare one is of use: who comes waits
	var late []*peer
	for network, dial := range dialers {
		p, err := dial()
		if err != nil {
			t.Fatal(network, err)
		}
		late = append(late, p)
	}
	api := make(chan error, 1)
	go func() {
		r, err := s.Call("GET", "/healthz", "", nil)
		if err == nil && r.Status != http.StatusOK {
			err = fmt.Errorf("status %d", r.Status)
		}
		api <- err
	}()
	serves("without a single one")

	s.limitFiles(before)
	for _, p := range late {
		if err := p.upgrade("/ws"); err != nil {
			t.Errorf("one that waited: %v", err)
		}
	}
	if err := <-api; err != nil {
		t.Errorf("a request that waited: %v", err)
	}
	for network := range dialers {
		p, err := join(network)
		if err != nil {
			t.Fatal(network, err)
		}
		p.subscribe("a", "/topic/shop/sent/all")
		in = append(in, p)
	}
	serves("after")
	if n := s.Metric(t, `stentor_accept_errors_total{reason="process_descriptors"}`); n == 0 {
		t.Error("no failed accept was counted")
	}
	if n := s.Metric(t, "stentor_accept_refused_total"); n < 200 {
		t.Errorf("%v refusals were counted, want 200", n)
	}
}
