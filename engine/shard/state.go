package shard

// state is where a subscription stands. Shard.enter alone changes it, and moves the subscription to the container of the
// new state:
//
//	none       it does not exist
//	attached   the rounds of its log serve it: log.attached
//	direct     a user's, which is served as pushes come; they look it up by its session
//	following  goes at its own pace: project.detached
//	resuming   waits for the answer to its last-message-id: project.detached
//
// One that is following or resuming is detached. Beside its state a subscription may be windowed: its client has to
// acknowledge before it gets more. That follows from its ACK mode and its project's settings, so that it may change in any
// state.
//
// These are all the changes, and the simulation visits each, windowed and not:
//
//	from       to         when
//	none       attached   SUBSCRIBE to a topic or a pattern whose rounds can take it up
//	none       direct     SUBSCRIBE to a user's destination while no push waits in the unicast queue
//	none       following  SUBSCRIBE while the rounds are behind the newest push, or the unicast queue is not empty
//	none       resuming   SUBSCRIBE with last-message-id
//	resuming   following  the resume is answered
//	attached   following  its socket is blocked, or its ACK window full, when its turn in a round comes
//	direct     following  its socket is blocked, or its ACK window full, when a push comes
//	following  attached   it has come as far as the rounds
//	following  direct     nothing waits for it
//	attached   none       UNSUBSCRIBE, or the end of its session
//	direct     none       the same
//	following  none       the same
//	resuming   none       the same
type state uint8

const (
	none state = iota
	attached
	direct
	following
	resuming
)

func (s state) String() string {
	return [...]string{"none", "attached", "direct", "following", "resuming"}[s]
}

func (s state) detached() bool { return s >= following }

// enter moves a subscription to another state. A caller that makes it follow sets its cursor afterwards, and its resume.
func (s *Shard) enter(i uint32, to state) {
	b := s.subs.at(i)
	from, t := b.state, b.target
	if from == to { // a removal that panicked is done again
		return
	}
	if s.entering != nil {
		s.entering(b, to)
	}
	switch {
	case from == attached:
		t.log.removeAttached(s, i)
	case from.detached() && !to.detached():
		s.removeDetached(b)
	}
	if from == resuming {
		t.resuming--
		b.endResume()
	}
	b.state = to
	switch {
	case to == attached:
		t.log.addAttached(s, i)
	case to.detached() && !from.detached():
		s.addDetached(b, i)
	}
	if to == resuming {
		t.resuming++
	}
	switch {
	case from == none:
		t.subscriptions++
	case to == none:
		t.subscriptions--
	}
	if from.detached() && (to == attached || to == direct) {
		b.releaseFollow()
	}
}

// join attaches a subscription that has every push below number, if the rounds can take it from there.
func (s *Shard) join(i uint32, number uint64) bool {
	l := s.subs.at(i).target.log
	if number != l.head && number != l.end {
		return false
	}
	s.enter(i, attached)
	if number != l.head { // it has what the round under way brings
		l.serve(s, i)
	}
	return true
}

// addAttached adds a subscription to the rounds, from the one under way on.
func (l *log) addAttached(s *Shard, i uint32) {
	l.attached = append(l.attached, i)
	s.subs.at(i).place = uint32(len(l.attached) - 1)
}

// serve moves a subscription that the round has yet to serve to those that it has served.
func (l *log) serve(s *Shard, i uint32) {
	l.swap(s, l.served, int(s.subs.at(i).place))
	l.served++
}

// removeAttached removes an attached subscription. Removing one that the round has served must not make the round miss
// the one that takes its place.
func (l *log) removeAttached(s *Shard, i uint32) {
	j := int(s.subs.at(i).place)
	if j < l.served {
		l.served--
		l.swap(s, j, l.served)
		j = l.served
	}
	last := len(l.attached) - 1
	l.swap(s, j, last)
	l.attached = l.attached[:last]
	const slack = 1024
	if cap(l.attached) > slack && last < cap(l.attached)/4 {
		l.attached = append(make([]uint32, 0, last*2), l.attached...)
	}
}

func (l *log) swap(s *Shard, a, b int) {
	l.attached[a], l.attached[b] = l.attached[b], l.attached[a]
	s.subs.at(l.attached[a]).place = uint32(a)
	s.subs.at(l.attached[b]).place = uint32(b)
}

// addDetached has a subscription tried from this tick on.
func (s *Shard) addDetached(b *sub, i uint32) {
	if b.follow == nil {
		b.follow = &follow{}
	}
	b.follow.progress, b.follow.fed = s.millis(), s.millis()
	b.follow.next, b.follow.wait = s.tick, 0
	p := b.target.p
	if len(p.detached) == 0 {
		p.place = len(s.followed)
		s.followed = append(s.followed, p)
	}
	b.place = uint32(len(p.detached))
	p.detached = append(p.detached, i)
	s.walkSoon(p)
	b.target.detached++
	s.stats.Detached.Add(1)
	s.stats.Detaches.Add(1)
}

func (s *Shard) removeDetached(b *sub) {
	p := b.target.p
	last := p.detached[len(p.detached)-1]
	p.detached[b.place] = last
	s.subs.at(last).place = b.place
	if p.detached = p.detached[:len(p.detached)-1]; len(p.detached) == 0 {
		p.detached = nil
		other := s.followed[len(s.followed)-1]
		s.followed[p.place], other.place = other, p.place
		s.followed[len(s.followed)-1] = nil
		s.followed = s.followed[:len(s.followed)-1]
	}
	b.target.detached--
	s.stats.Detached.Add(-1)
}
