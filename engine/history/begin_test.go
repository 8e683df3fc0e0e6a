package history

import (
	"testing"
	"time"

	"stentor/engine/bus"
)

func at(epoch uint64, partition int32, offset int64) bus.Position {
	return bus.Position{Epoch: epoch, Partition: partition, Offset: offset}
}

func push(pos bus.Position, id string) *Entry {
	return NewEntry(pos, &bus.Record{Destination: "/topic/a", ID: id, Body: []byte("x")}, 0, 0)
}

func newLog() *Log { return NewLog(Bounds{Window: time.Hour, Bytes: 1 << 20}) }

func TestAppendTakesEachOnce(t *testing.T) {
	l := newLog()
	for _, c := range []struct {
		name string
		pos  bus.Position
		id   string
		want bool
	}{
		{"before the partition begins", at(1, 0, 5), "a", false},
		{"begin", at(1, 0, 0), "", true},
		{"first", at(1, 0, 5), "a", true},
		{"the same place", at(1, 0, 5), "b", false},
		{"an earlier place", at(1, 0, 4), "b", false},
		{"the same id", at(1, 0, 6), "a", false},
		{"the place of the one that was dropped", at(1, 0, 6), "b", false},
		{"another id", at(1, 0, 7), "b", true},
		{"another partition", at(1, 1, 8), "c", false},
		{"another epoch", at(2, 0, 9), "c", false},
		{"no id", at(1, 0, 9), "", true},
		{"no id again", at(1, 0, 10), "", true},
	} {
		if c.name == "begin" {
			l.Begin(at(1, 0, 5))
			continue
		}
		if _, got := l.Append(push(c.pos, c.id), 1); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if l.Len() != 4 {
		t.Errorf("%d pushes are kept", l.Len())
	}
}

// A gap, a partition that went back and a new epoch: whoever may have missed something is told.
func TestBeginAgain(t *testing.T) {
	since := func(l *Log, pos bus.Position) (int, bool) {
		missed, complete := l.Since(Wanted{Chain: "/topic/a"}, []bus.Position{pos}, map[int32]bus.Position{pos.Partition: {Epoch: pos.Epoch, Partition: pos.Partition, Offset: 1 << 40}})
		return len(missed), complete
	}
	fill := func() *Log {
		l := newLog()
		l.Begin(at(1, 0, 0))
		for i := range int64(10) {
			l.Append(push(at(1, 0, i), ""), 0)
		}
		return l
	}
	check := func(t *testing.T, l *Log, pos bus.Position, missed int, complete bool) {
		t.Helper()
		if m, c := since(l, pos); m != missed || c != complete {
			t.Errorf("since %s: %d %t, want %d %t", pos, m, c, missed, complete)
		}
	}
	t.Run("gap", func(t *testing.T) {
		l := fill()
		l.Begin(at(1, 0, 20))
		l.Append(push(at(1, 0, 20), ""), 0)
		check(t, l, at(1, 0, 9), 0, false)
		check(t, l, at(1, 0, 19), 1, true)
		check(t, l, at(1, 0, 20), 0, true)
	})
	t.Run("back", func(t *testing.T) {
		l := fill()
		l.Begin(at(1, 0, 5))
		if _, taken := l.Append(push(at(1, 0, 5), ""), 0); !taken {
			t.Error("the first push after the step back was refused")
		}
		check(t, l, at(1, 0, 4), 0, false)
		if l.Len() != 1 {
			t.Errorf("%d pushes are kept", l.Len())
		}
	})
	t.Run("epoch", func(t *testing.T) {
		l := fill()
		l.Begin(at(2, 0, 0))
		l.Begin(at(2, 1, 0))
		l.Append(push(at(2, 0, 0), ""), 0)
		l.Append(push(at(2, 1, 0), ""), 0)
		check(t, l, at(1, 0, 9), 0, false)
		if m, c := l.Since(Wanted{Chain: "/topic/a"}, []bus.Position{at(2, 0, -1), at(2, 1, -1)}, map[int32]bus.Position{0: at(2, 0, 9), 1: at(2, 1, 9)}); len(m) != 2 || !c {
			t.Errorf("the new epoch: %d %t", len(m), c)
		}
	})
}

// A partition that came after the client had left is not one that it has missed something of, as long as the shard has taken nothing of it.
func TestPartitionThatCameLater(t *testing.T) {
	l := newLog()
	l.Begin(at(1, 0, 0))
	l.Append(userPush(at(1, 0, 0)), 0)
	taken := l.next
	l.Begin(at(1, 1, 0))
	l.Append(userPush(at(1, 1, 0)), 0)
	applied := map[int32]bus.Position{0: at(1, 0, 0)}
	for _, c := range []struct {
		name  string
		taken uint64
		want  Answer
	}{{"the shard has taken nothing of it", taken, Whole}, {"the shard has taken what the client may have", l.next, Gap}} {
		resume := NewResume([]bus.Position{at(1, 0, 0)})
		if _, got := l.Resume(Wanted{Chain: UserKey("ann", "/user/queue/x")}, &resume, applied, c.taken); got != c.want {
			t.Errorf("%s: answer %d, want %d", c.name, got, c.want)
		}
	}
}

func userPush(pos bus.Position) *Entry {
	return NewEntry(pos, &bus.Record{Destination: "/user/queue/x", User: "ann", Body: []byte("x")}, 0, 0)
}
