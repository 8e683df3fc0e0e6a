package auth

import (
	"net/netip"
	"sync"

	"stentor/engine/fifo"
)

// queue holds the tokens that wait for a worker. Projects take turns, and within a project the addresses of its clients do:
// a client with many tokens delays only its own. When the queue is full, the project with the most gives way, and in it the
// address with the most.
type queue struct {
	mu     sync.Mutex
	some   sync.Cond // n > 0, or closed
	limit  int
	n      int
	closed bool

	projects map[string]*claimants
	turn     fifo.List[*claimants]
}

// claimants are the tokens of one project. It is in queue.turn, once, while it has some.
type claimants struct {
	project string
	n       int
	lines   map[netip.Addr]*line
	turn    fifo.List[*line]
	longest *line // nearly: lines that have shrunk meanwhile are not checked
}

// line are the tokens from one address. It is in claimants.turn, once, while it has some.
type line struct {
	source netip.Addr
	jobs   fifo.List[*job]
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, projects: map[string]*claimants{}}
	q.some.L = &q.mu
	return q
}

// put adds j. One that has to give way for it is returned: j itself, or another, which is no longer in the queue.
func (q *queue) put(j *job) (refused *job, err *Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return j, errAuthenticator
	}
	if q.n >= q.limit {
		if refused = q.makeRoom(j); refused == j {
			return j, errBusy
		}
	}
	c := q.projects[j.named]
	if c == nil {
		c = &claimants{project: j.named, lines: map[netip.Addr]*line{}}
		q.projects[j.named] = c
		q.turn.Push(c)
	}
	c.put(j)
	q.n++
	q.some.Signal()
	return refused, errBusy
}

// makeRoom takes a job out for j, or returns j when nobody has more than the sender of j.
func (q *queue) makeRoom(j *job) *job {
	own := q.projects[j.named]
	most, mine := own, 0
	if own != nil {
		mine = own.n
	}
	for _, c := range q.turn.Items() {
		if most == nil || c.n > most.n {
			most = c
		}
	}
	switch {
	case most == own:
		l := own.lines[j.source]
		if own.longest == nil || own.longest == l || own.longest.jobs.Len() <= l.len()+1 {
			return j
		}
	case most.n <= mine+1:
		return j
	}
	q.n--
	return most.giveWay()
}

// take waits for a job. It is nil when the queue is closed and empty.
func (q *queue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.n == 0 {
		if q.closed {
			return nil
		}
		q.some.Wait()
	}
	return q.next()
}

// next takes out the job whose turn it is. There is one, and q.mu is held.
func (q *queue) next() *job {
	q.n--
	c := q.turn.Pop()
	j := c.take()
	if c.n > 0 {
		q.turn.Push(c)
	} else {
		delete(q.projects, c.project)
	}
	return j
}

// drain takes out all jobs, of which put adds no more.
func (q *queue) drain() (all []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.closed = true; q.n > 0; {
		all = append(all, q.next())
	}
	return all
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

func (c *claimants) put(j *job) {
	l := c.lines[j.source]
	if l == nil {
		l = &line{source: j.source}
		c.lines[j.source] = l
		c.turn.Push(l)
	}
	l.jobs.Push(j)
	c.n++
	if c.longest.len() < l.len() {
		c.longest = l
	}
}

func (c *claimants) take() *job {
	c.n--
	l := c.turn.Pop()
	j := l.jobs.Pop()
	if l.len() > 0 {
		c.turn.Push(l)
		return j
	}
	delete(c.lines, l.source)
	if c.longest == l {
		c.longest = nil
	}
	return j
}

// giveWay takes out the oldest job of the longest line. The line and c keep others: each had more than one.
func (c *claimants) giveWay() *job {
	if c.longest.len() <= 1 {
		return c.take()
	}
	c.n--
	return c.longest.jobs.Pop()
}

func (l *line) len() int {
	if l == nil {
		return 0
	}
	return l.jobs.Len()
}
