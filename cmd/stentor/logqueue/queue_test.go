package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// valve is a writer that stands still while it is locked, and fails while it has an error.
type valve struct {
	sync.Mutex
	entered chan struct{} // gets a value with each Write, before it may stand still
	text    bytes.Buffer
	err     error
}

func (v *valve) Write(p []byte) (int, error) {
	select {
	case v.entered <- struct{}{}:
	default:
	}
	v.Lock()
	defer v.Unlock()
	if v.err != nil {
		return 0, v.err
	}
	return v.text.Write(p)
}

func (v *valve) String() string {
	v.Lock()
	defer v.Unlock()
	return v.text.String()
}

func note(n uint64) []byte { return fmt.Appendf(nil, "%d lost\n", n) }

// TestQueue: lines come whole and in order.
func TestQueue(t *testing.T) {
	v := &valve{}
	q := New(v, note)
	want := ""
	for i := range 1000 {
		line := fmt.Sprintln("line", i)
		want += line
		if n, err := q.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	q.Close(time.Minute)
	if v.String() != want || q.Dropped() != 0 {
		t.Errorf("%d lost, there is %.200q", q.Dropped(), v.String())
	}
}

// TestQueueStands: a reader that stands still holds nobody up, takes no more than a bound, and is told what it missed.
func TestQueueStands(t *testing.T) {
	v := &valve{entered: make(chan struct{}, 1)}
	v.Lock()
	q := New(v, note)
	line := []byte(strings.Repeat("x", 99) + "\n")
	_, _ = q.Write(line)
	<-v.entered // the first line is on its way
	const lines = 3 * most / 100
	for range lines {
		_, _ = q.Write(line)
	}
	if want := uint64(lines - most/100); q.Dropped() != want {
		t.Errorf("%d lines were dropped, want %d", q.Dropped(), want)
	}
	if cap(q.waiting) > 2*most {
		t.Errorf("%d bytes wait", cap(q.waiting))
	}
	q.Close(0) // it is not waited for
	v.Unlock()
	<-q.done
	if text := v.String(); !strings.Contains(text, fmt.Sprintf("%d lost\n", q.Dropped())) || strings.Count(text, "\n") != 2+most/100 {
		t.Errorf("%d lines came: %.300q", strings.Count(text, "\n"), text[len(text)-300:])
	}
	if _, err := q.Write(line); err != nil {
		t.Error("after the end:", err)
	}
}

// TestQueueFails: a reader that is gone costs the lines of its absence.
func TestQueueFails(t *testing.T) {
	v := &valve{err: errors.New("broken pipe")}
	q := New(v, note)
	for range 10 {
		_, _ = q.Write([]byte("a\n"))
	}
	for q.Dropped() < 10 {
		time.Sleep(time.Millisecond)
	}
	v.Lock()
	v.err = nil
	v.Unlock()
	_, _ = q.Write([]byte("b\n"))
	q.Close(time.Minute)
	if v.String() != "b\n10 lost\n" {
		t.Errorf("%q", v.String())
	}
}
