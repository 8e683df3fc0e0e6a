package history

import (
	"sync/atomic"
	"unsafe"
)

// Report counts what became of one push on this node. Shards add to it, any goroutine may read it. Times are the
// node's clock in ns, 0 for none.
type Report struct {
	// Matched are the subscriptions that it was for, Written those whose socket took it. Dropped lost it to the policy for slow
	// clients, or their transport cannot carry it. Failed lost it to a write that broke the connection, or to a panic. The others
	// wait, or it has expired for them, or their client left.
	Matched, Written, Dropped, Failed atomic.Int64
	First, Last                       atomic.Int64 // write
}

// AddMatched counts subscriptions that a push is for.
func (e *Entry) AddMatched(n int) {
	if e.Report != nil && n > 0 {
		e.Report.Matched.Add(int64(n))
	}
}

// AddWritten counts subscriptions that were given a push at now.
func (e *Entry) AddWritten(n int, now int64) {
	if e.Report != nil && n > 0 && !e.Expired(now) {
		e.Report.written(n, now)
	}
}

func (r *Report) written(n int, now int64) {
	r.Written.Add(int64(n))
	for first := r.First.Load(); (first == 0 || now < first) && !r.First.CompareAndSwap(first, now); first = r.First.Load() {
	}
	for last := r.Last.Load(); last < now && !r.Last.CompareAndSwap(last, now); last = r.Last.Load() {
	}
}

// AddArrived counts a subscription whose transfer of a push ended at now. It may have expired on the way.
func (e *Entry) AddArrived(now int64) {
	if e.Report != nil {
		e.Report.written(1, now)
	}
}

// AddBroken counts a subscription whose connection broke within a push.
func (e *Entry) AddBroken() {
	if e.Report != nil {
		e.Report.Failed.Add(1)
	}
}

// AddDropped counts a subscription that lost a push to its project's policy.
func (e *Entry) AddDropped() {
	if e.Report != nil {
		e.Report.Dropped.Add(1)
	}
}

// AddSkipped counts subscriptions whose transport cannot carry a push: they have lost it as well.
func (e *Entry) AddSkipped(n int, now int64) {
	if e.Report != nil && n > 0 && !e.Expired(now) {
		e.Report.Dropped.Add(int64(n))
	}
}

// AddFailed counts subscriptions that were about to be given a push at now, and were not.
func (e *Entry) AddFailed(n int, now int64) {
	if e.Report != nil && n > 0 && !e.Expired(now) {
		e.Report.Failed.Add(int64(n))
	}
}

// unread is the report of an evicted push to a user or a session: subscriptions that were still to be given it may yet
// report it as lost.
type unread struct {
	chain  *chain
	number uint64
	seq    uint64
	report *Report
}

// How many of them a Log has, at most: a sixteenth of what may be kept, within these bounds.
const (
	leastUnread = 256
	maxUnread   = 4096
)

const unreadCost = 2 * int64(unsafe.Sizeof(unread{}))

func (l *Log) keepReport(e *Entry) {
	if e.Report == nil || e.chain.topic() {
		return
	}
	l.unread.Push(unread{e.chain, e.number, e.seq, e.Report})
	l.bytes.Add(unreadCost)
	if most := max(leastUnread, min(maxUnread, l.bounds.Bytes/16/unreadCost)); int64(l.unread.Len()) > most {
		l.unread.Pop()
		l.bytes.Add(-unreadCost)
	}
}

// tellLost notes in the reports of the evicted pushes of c that a subscription has lost the numbers [from, to). A push with
// a smaller number in the Log than taken was never counted for it.
func (l *Log) tellLost(c *chain, from, to, taken uint64) {
	for _, u := range l.unread.Items() {
		if u.chain == c && u.number >= from && u.number < to && u.seq >= taken {
			u.report.Dropped.Add(1)
		}
	}
}
