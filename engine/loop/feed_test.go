package loop

import (
	"bytes"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

// TestFeedBound: what a client sends within a handshake is bounded and counted also when crypto/tls has read it, which may keep
// it all.
func TestFeedBound(t *testing.T) {
	f := newFeed(turnsFor(), nil)
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
	f := newFeed(turnsFor(), nil)
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
