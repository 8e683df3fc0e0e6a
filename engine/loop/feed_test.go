package loop

import (
	"bytes"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

// TestFeedBound: what a client sends within a handshake is bounded and counted also when crypto/tls has read it, which may keep
// it all.
func TestFeedBound(t *testing.T) {
	f := newFeed(turnsFor(), nil, nil)
	part := append([]byte("\x16\x03\x03\x40\x00"), make([]byte, 16<<10)...)
	room := make([]byte, len(part))
	for sent := 0; sent+len(part) <= feedMost; sent += len(part) {
		if !f.put(bytes.Clone(part)) {
			t.Fatalf("refused after %d bytes", sent)
		}
		if n, err := f.Read(room); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
		if got := f.held(); got < sent+len(part) {
			t.Fatalf("%d bytes are counted after %d", got, sent+len(part))
		}
	}
	if f.put(part) {
		t.Error("there is room for more than the bound")
	}
}

// unreading is a client that does not read.
type unreading struct{ gnet.Conn }

func (unreading) OutboundBuffered() int       { return answersMost + 1 }
func (unreading) Write(p []byte) (int, error) { return len(p), nil }

// TestAnswersBound: what crypto/tls answers to a client that does not read is refused, also to the last record that came; what
// the shard writes is not.
func TestAnswersBound(t *testing.T) {
	f := newFeed(turnsFor(), nil, nil)
	s := &secure{Conn: unreading{}, phase: openPhase, some: &someTLS{feed: f}}
	f.looped = func(p []byte) error { return (&Loop{}).sendSealed(s, p) }
	record := []byte("\x17\x03\x03\x00\x01x")
	f.give(record)
	if _, err := f.Read(make([]byte, len(record))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("answer")); err != errUnread {
		t.Errorf("the answer: %v", err)
	}
	f.give(nil)
	if _, err := f.Write([]byte("push")); err != nil {
		t.Errorf("the push: %v", err)
	}
}

// TestFeedWrites: what the kernel does not take goes to the loop, and what is written later behind it. Nothing is written once
// the connection has ended.
func TestFeedWrites(t *testing.T) {
	var kernel, later []byte
	room := 5
	f := newFeed(turnsFor(), func(p []byte) int {
		n := min(len(p), room)
		kernel = append(kernel, p[:n]...)
		return n
	}, func(p []byte) { later = append(later, p...) })
	for _, p := range []string{"abc", "defg", "hi"} {
		if n, err := f.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		room = max(0, room-len(p))
		if p == "defg" {
			room = 100
		}
	}
	if string(kernel) != "abcde" || string(later) != "fghi" {
		t.Errorf("the kernel has %q, the loop %q", kernel, later)
	}
	f.fail(errOver)
	if n, err := f.Write([]byte("x")); n != 0 || err != errOver || len(kernel)+len(later) != 9 {
		t.Errorf("after the end: %d, %v", n, err)
	}
}
