package admin

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lightBody is the size up to which reading the request takes longer than handling its body.
const lightBody = 4 << 10

// turns bounds how many requests of one owner are worked on at a time. Go's scheduler lets all goroutines that want to run
// take turns of up to 10 ms: with sixty requests full of JSON an event loop, and every other owner's request, waited for
// half a second. Methods may be called from any goroutine.
type turns struct {
	most int

	mu sync.Mutex
	of map[string]*lane // by owner; owners without a request are not in it
}

// lane is one owner's turns.
type lane struct {
	places   chan struct{} // holds one value for each request that is worked on
	requests int
}

// newTurns lets most requests of an owner be worked on at a time. 0 leaves three quarters of the processors to others.
func newTurns(most int) *turns {
	if most == 0 {
		most = max(1, runtime.GOMAXPROCS(0)/4)
	}
	return &turns{most: most, of: map[string]*lane{}}
}

// turn is the turn of one request, nil for a request that needs none.
type turn struct {
	turns *turns
	owner string
	lane  *lane
	has   bool
}

// join counts a request of owner, and returns its turn, which has yet to come.
func (t *turns) join(owner string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.of[owner]
	if l == nil {
		l = &lane{places: make(chan struct{}, t.most)}
		t.of[owner] = l
	}
	l.requests++
	return &turn{turns: t, owner: owner, lane: l}
}

// wait waits for the turn, at most so long, and reports whether it has come.
func (t *turn) wait(ctx context.Context, most time.Duration) bool {
	if t == nil || t.has {
		return true
	}
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	select {
	case t.lane.places <- struct{}{}:
		t.has = true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return t.has
}

// pause lets others have their turns while the request waits for something.
func (t *turn) pause() {
	if t != nil && t.has {
		t.has = false
		<-t.lane.places
	}
}

// end is called once, when the request is answered.
func (t *turn) end() {
	if t == nil {
		return
	}
	t.pause()
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	if t.lane.requests--; t.lane.requests == 0 {
		delete(t.turns.of, t.owner)
	}
}

// turn waits for the turn of a request whose body has arrived.
func (a *api) turn(r *http.Request, body []byte) (*turn, *problem) {
	if len(body) <= lightBody {
		return nil, nil
	}
	t := a.turns.join(a.owner(r))
	if !t.wait(r.Context(), a.o.PublishTimeout) {
		t.end()
		a.metrics.refused.With(prometheus.Labels{"limit": "turns", "reason": "share"}).Inc()
		return nil, newProblem(http.StatusTooManyRequests, codeLimit,
			"other requests of this key's owner use up its share of the processing time: try again after Retry-After seconds, send fewer at a time, or smaller ones")
	}
	return t, nil
}
