package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A request for all nodes makes each of them work, and this one asks them: a single connection of a project would keep a
// cluster of hundreds busy. So the requests of an owner for all nodes go two at a time, and after each its place stays
// empty for as long as asking took this node's processors, several times over.
const (
	fansAtOnce = 2
	askCost    = 150 * time.Microsecond // of a processor, for a node that is asked
	askRest    = 3                      // times that; as the steps of a query rest
	// askBytes is what one of those is charged that are asked at a time: a connection, and an answer of usual length.
	askBytes = 64 << 10
)

// fan is a request for all nodes under way. Its methods are for the request's goroutine.
type fan struct {
	a      *api
	owner  string
	charge int64
	place  *turn
	work   *turn
	asked  int // nodes, so far
}

// fanOut begins a request for all nodes, which holds so many bytes. It waits for its place among those of the key's owner.
func (a *api) fanOut(r *http.Request, charge int64) (*fan, *problem) {
	f := &fan{a: a, owner: a.owner(r), charge: charge}
	f.place = a.fans.join(f.owner)
	if !f.place.wait(r.Context(), nodeTimeout) {
		f.place.end()
		a.metrics.refused.With(prometheus.Labels{"limit": "turns", "reason": "share"}).Inc()
		return nil, newProblem(http.StatusTooManyRequests, codeLimit,
			"other requests of this key's owner for all nodes are under way: try again after Retry-After seconds, send fewer at a time, or ask one node with node=local")
	}
	if p := a.memory.take(f.owner, charge); p != nil {
		f.place.end()
		return nil, p
	}
	f.work = a.turns.join(f.owner)
	return f, nil
}

// asks counts nodes that are asked.
func (f *fan) asks(nodes int) { f.asked += nodes }

// merge does the work on some answers in the turn of the key's owner, and reports whether the turn came.
func (f *fan) merge(r *http.Request, work func()) bool {
	if !f.work.wait(r.Context(), nodeTimeout) {
		return false
	}
	defer f.work.pause()
	work()
	return true
}

// end is called once, when the request is answered.
func (f *fan) end() {
	f.work.end()
	f.a.memory.give(f.owner, f.charge)
	time.AfterFunc(f.rest(), f.place.end)
}

// rest is how long the place stays empty.
func (f *fan) rest() time.Duration { return askRest * time.Duration(f.asked) * askCost }

// asking is what a request is charged for which so many other nodes are asked, as far as the API's memory allows. So it bounds the
// connections to other nodes as well.
func (a *api) asking(others int) int64 {
	return min(int64(min(others, peersAtOnce))*askBytes, a.o.MemoryBytes/8)
}
