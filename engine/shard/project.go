package shard

import (
	"maps"
	"slices"
	"sync/atomic"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/fifo"
	"stentor/engine/history"
	"stentor/engine/session"
)

// tenant is what a shard knows of a project whether or not it has sessions here.
type tenant struct {
	settings *Settings
	applied  map[int32]bus.Position // by partition
	taken    uint64                 // number in its history behind the last push that came
	counts   *counts
	oldest   *transfer // of its large pushes under way, in the order they began
	newest   *transfer
}

// project is a tenant with sessions on this shard.
type project struct {
	*tenant
	logs       map[string]*log    // topics
	users      map[string]*target // what stands behind /user
	patterns   map[string]*log
	index      destination.Index[*log] // of the patterns
	references int                     // entries of the patterns' logs
	shares     map[Holder]int          // steps of the index that are charged to a holder
	names      names                   // of all of these
	unicast    unicast
	ids        map[subKey]*subID // of the subscriptions
	pool       pool
	packing    *atomic.Int64 // see Settings
	escaping   int           // sessions of SockJS
	gaps       uint16        // how often something was lost that any of its subscriptions may have wanted; it may wrap

	transfers transfers

	arrivals fifo.List[arrival] // taken from the inbox and not yet routed
	routing  bool               // arriving is in queue

	queue   fifo.List[*log] // with work, in turn; nil stands for the unicast queue, see also underWay and arriving
	queued  bool            // in Shard.ready
	deficit int

	detached []uint32       // subscriptions that go at their own pace
	place    int            // in Shard.followed
	soon     fifo.List[Ref] // connections with subscriptions to be tried soon
	named    bool           // in Shard.soon
	walked   int            // how far this tick's walk over detached has come
	walking  bool           // in Shard.walks
}

func (s *Shard) tenant(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = &tenant{applied: map[int32]bus.Position{}, counts: &counts{}}
		s.tenants[name] = t
		s.counts.Store(name, t.counts)
	}
	return t
}

// SetProject applies a project's settings, new or changed. Existing sessions keep their connection.
func (s *Shard) SetProject(settings *Settings) {
	t := s.tenant(settings.Name)
	if t.settings != nil && t.settings.History != settings.History {
		t.taken = 0
	}
	t.settings = settings
}

// expects reports whether sessions of a project can begin here: the node may have removed it and added it again, which this
// shard may not know yet. Such a session would join the old project, which is about to end.
func (s *Shard) expects(settings *Settings) bool {
	t := s.tenants[settings.Name]
	return t == nil || t.settings == nil || t.settings.History == settings.History
}

func (s *Shard) project(settings *Settings) *project {
	p := s.projects[settings.Name]
	if p == nil {
		p = &project{
			tenant: s.tenant(settings.Name),
			logs:   map[string]*log{},
			users:  map[string]*target{},

			patterns: map[string]*log{},
			shares:   map[Holder]int{},
			ids:      map[subKey]*subID{},
			pool:     pool{share: settings.Share},
			packing:  settings.Packing,
		}
		if p.settings == nil {
			p.settings = settings
		}
		s.projects[settings.Name] = p
	}
	return p
}

// tally counts n sessions of a form, which may be negative.
func (s *Shard) tally(p *project, f session.Form, n int64) {
	p.counts.sessions.Add(n)
	s.stats.Sessions.Add(n)
	s.stats.Forms[f].Add(n)
	if f.Escaped() {
		p.escaping += int(n)
	}
	if f == session.Deflated && p.packing != nil {
		p.packing.Add(n)
	}
}

// dropProject forgets a project without sessions, and the pushes that it no longer needs.
func (s *Shard) dropProject(p *project) {
	if p.counts.sessions.Load() > 0 {
		return
	}
	p.unicast.clear()
	if s.projects[p.settings.Name] == p { // else it is no longer served, and another may have its name
		delete(s.projects, p.settings.Name)
	}
	s.routeAll(p)
}

// Begin says that a project's partition is read from pos on. With a new epoch the positions of the old one are forgotten.
// Subscribers that may have missed something are told with the next MESSAGE.
func (s *Shard) Begin(project string, pos bus.Position) {
	if s.afterArrivals(project, func() { s.readFrom(project, pos) }) {
		return
	}
	s.readFrom(project, pos)
}

func (s *Shard) readFrom(project string, pos bus.Position) {
	applied := s.tenant(project).applied
	old, known := applied[pos.Partition]
	if known && (old.Epoch != pos.Epoch || old.Offset+1 != pos.Offset) || !known && len(applied) > 0 && pos.Offset > 0 {
		if p := s.projects[project]; p != nil {
			p.gaps++
		}
	}
	maps.DeleteFunc(applied, func(_ int32, old bus.Position) bool { return old.Epoch != pos.Epoch })
	pos.Offset--
	applied[pos.Partition] = pos
}

// Applied says that this shard has taken a project's partition up to pos. A bus that rereads its records reports less than
// the shard has: only Begin goes back.
func (s *Shard) Applied(project string, pos bus.Position) {
	if s.afterArrivals(project, func() { s.readTo(project, pos) }) {
		return
	}
	s.readTo(project, pos)
}

func (s *Shard) readTo(project string, pos bus.Position) {
	applied := s.tenant(project).applied
	if old, known := applied[pos.Partition]; known && old.Epoch == pos.Epoch && pos.Offset <= old.Offset {
		return
	}
	applied[pos.Partition] = pos
}

// positionLine is the header line that says what a subscription has behind it. last-message-id takes its value.
func positionLine(partitions map[int32]bus.Position) string {
	if len(partitions) == 0 {
		return ""
	}
	line := []byte("position:")
	for i, n := range slices.Sorted(maps.Keys(partitions)) {
		if i > 0 {
			line = append(line, ',')
		}
		line = partitions[n].AppendTo(line)
	}
	return string(append(line, '\n'))
}

// take is route, but recovers from a panic: the push is lost, and its subscribers are told of a gap.
func (s *Shard) take(name string, e *history.Entry) (steps int) {
	defer func() {
		if reason := recover(); reason != nil {
			s.recovered("route", reason)
			clear(s.matched)
			if p := s.projects[name]; p != nil {
				p.gaps++
			}
			e.Done()
			steps = routeSteps
		}
	}()
	return s.route(name, e)
}

// route adds a push to the logs of all its subscribers. From here on this shard is responsible for their delivery. It
// returns the cost, in steps of a look-up among patterns.
func (s *Shard) route(name string, e *history.Entry) (steps int) {
	t, p := s.tenants[name], s.projects[name]
	if t == nil { // a project that was removed
		e.Done()
		return routeSteps
	}
	t.took(e)
	if p == nil {
		e.Done()
		return routeSteps
	}
	if e.User != "" || e.Session != "" {
		if !s.reachable(p, e) {
			e.Done()
			return routeSteps
		}
		p.unicast.entries.Push(e)
		s.enqueue(p, nil)
		return routeSteps
	}
	s.matched = p.index.AppendMatches(s.matched[:0], e.Destination)
	if l := p.logs[e.Destination]; l != nil {
		s.matched = append(s.matched, l)
	}
	steps = routeSteps + p.index.Steps() + matchSteps*len(s.matched)
	if len(s.matched) == 0 {
		e.Done()
		return steps
	}
	for i, l := range s.matched {
		if i > 0 {
			e.Need()
		}
		s.append(l, e)
		s.matched[i] = nil
	}
	return steps
}

// took notes that e has arrived. What an older history of a project has to say ends with it.
func (t *tenant) took(e *history.Entry) {
	t.applied[e.Position.Partition] = e.Position
	if t.settings != nil && e.Of(t.settings.History) {
		t.taken = max(t.taken, e.Number()+1)
	}
}

func (s *Shard) append(l *log, e *history.Entry) {
	l.entries.Push(e)
	if l.pattern != nil {
		l.p.references++
	}
	e.AddMatched(int(l.subscriptions - l.resuming))
	s.enqueue(l.p, l)
}
