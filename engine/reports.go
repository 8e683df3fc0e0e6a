package engine

import (
	"strings"
	"sync"
	"time"

	"stentor/engine/bus"
	"stentor/engine/fifo"
	"stentor/engine/history"
)

// maxReports is how many pushes of a project have a report.
const maxReports = 10_000

// reports are those of a project's latest pushes, by push id.
type reports struct {
	mu    sync.Mutex
	byID  map[string]*report
	order fifo.List[string]
}

type report struct {
	position bus.Position
	history.Report
}

// newReport makes the report of a push. It is nil for a push without id, and for one that a client sent: reports are for
// back ends, which did not choose its id.
func newReport(id string, pos bus.Position) *report {
	if id == "" || strings.HasPrefix(id, bus.SentMark) {
		return nil
	}
	return &report{position: pos}
}

// shared is the part that the shards write.
func (r *report) shared() *history.Report {
	if r == nil {
		return nil
	}
	return &r.Report
}

// add keeps the report of the push with this id, in place of the oldest when there are too many.
func (r *reports) add(id string, one *report) {
	if one == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = map[string]*report{}
	}
	if r.byID[id] == nil {
		r.order.Push(id)
	}
	r.byID[id] = one
	if r.order.Len() > maxReports {
		delete(r.byID, r.order.Pop())
	}
}

func (r *reports) find(id string) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// Delivery is what became of one push on this node. See history.Report.
type Delivery struct {
	Position                          bus.Position
	Matched, Written, Dropped, Failed int64
	FirstWrite, LastWrite             time.Time // zero: there was none
}

// Delivery returns the report of the push with this id, while it is among the latest of its project.
func (n *Node) Delivery(project, id string) (Delivery, bool) {
	p := n.project(project)
	if p == nil {
		return Delivery{}, false
	}
	r := p.reports.find(id)
	if r == nil {
		return Delivery{}, false
	}
	wall := func(ns int64) time.Time {
		if ns == 0 {
			return time.Time{}
		}
		return time.Now().Add(time.Duration(ns - n.now()))
	}
	return Delivery{
		Position: r.position,
		Matched:  r.Matched.Load(), Written: r.Written.Load(), Dropped: r.Dropped.Load(), Failed: r.Failed.Load(),
		FirstWrite: wall(r.First.Load()), LastWrite: wall(r.Last.Load()),
	}, true
}
