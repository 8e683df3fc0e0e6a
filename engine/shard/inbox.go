package shard

import (
	"sync"

	"stentor/engine/history"
)

// inbox is what other goroutines hand to the loop: pushes and tasks, in order. Its lock is the only one on the path
// of a delivery.
type inbox struct {
	mu    sync.Mutex
	items []item
	spare []item
	woken bool // the loop was woken for items that it has not taken yet
}

// item is a push of project, or a task.
type item struct {
	project string
	entry   *history.Entry
	task    func()
}

// put appends it and reports whether the loop must be woken.
func (in *inbox) put(it item) (wake bool) {
	in.mu.Lock()
	in.items = append(in.items, it)
	wake = !in.woken
	in.woken = true
	in.mu.Unlock()
	return wake
}

// hold appends it without waking the loop: more items follow, and then flush.
func (in *inbox) hold(it item) {
	in.mu.Lock()
	in.items = append(in.items, it)
	in.mu.Unlock()
}

// flush reports whether the loop must be woken for what was held.
func (in *inbox) flush() (wake bool) {
	in.mu.Lock()
	if len(in.items) > 0 && !in.woken {
		in.woken, wake = true, true
	}
	in.mu.Unlock()
	return wake
}

// wakes reports whether the loop was woken for the items that wait.
func (in *inbox) wakes() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.woken
}

// take empties the inbox. The items are valid until give.
func (in *inbox) take() []item {
	in.mu.Lock()
	items := in.items
	in.items, in.spare, in.woken = in.spare, nil, false
	in.mu.Unlock()
	return items
}

// give returns the array of what take gave, for the next items, unless one burst made it huge.
func (in *inbox) give(items []item) {
	const keep = 4096
	if cap(items) > keep {
		return
	}
	clear(items)
	in.mu.Lock()
	in.spare = items[:0]
	in.mu.Unlock()
}

// Post makes the loop run task. Any goroutine may call it, the loop's own too; task must not block.
func (s *Shard) Post(task func()) {
	if s.inbox.put(item{task: task}) {
		s.env.Wake()
	}
}

// Hand hands over a push of project; the loop may not be woken for it before Flush. The bus's reader calls both.
func (s *Shard) Hand(project string, e *history.Entry) {
	s.inbox.hold(item{project: project, entry: e})
}

// Flush makes the loop take what was handed over: waking it costs as much as many pushes do.
func (s *Shard) Flush() {
	if s.inbox.flush() {
		s.env.Wake()
	}
}

// postTo is Post for a task about one connection. It does not run when the connection is gone by then; a panic in it closes
// the connection.
func (s *Shard) postTo(r Ref, task func(*Conn)) {
	s.Post(func() {
		if c := s.find(r); c != nil {
			s.doing = doing{conn: c}
			task(c)
			s.doing = doing{}
		}
	})
}
