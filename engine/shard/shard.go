package shard

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"

	"stentor/engine/fifo"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// Shard is what one event loop owns: its connections, their subscriptions, and the work of delivering to them.
type Shard struct {
	conf    Config
	env     Env
	stats   Stats
	machine *session.Machine
	random  *rand.Rand

	inbox  inbox
	asked  asked
	batch  []item // taken from it
	items  []item // those of batch that are still to be handled
	conns  slab[Conn]
	opened uint32 // connections so far; it wraps
	subs   slab[sub]
	wheel  wheel
	users  userTable

	strangers pool // connections without a project

	projects map[string]*project
	tenants  map[string]*tenant
	counts   sync.Map            // *counts by project
	ready    fifo.List[*project] // with work, in turn
	followed []*project          // with subscriptions that go at their own pace
	soon     fifo.List[*project] // those with subscriptions to be tried soon, in turn
	walks    fifo.List[*project] // those whose walk of this tick is unfinished, in turn
	shares   map[uint32]int64    // ns that these connections' tries have taken in this tick
	sharers  int                 // the most of them, since the map was made
	tick     uint32              // the wheel should be here
	grace    grace               // nobody is closed for silence

	turn         *Conn          // whose input is being handled
	more         bool           // it has more subscriptions than before
	late         bool           // it had to wait
	handshake    refusal.Record // of its handshake, what Admit said of it
	doing        doing
	frames       [session.Forms]scratch
	pieces       []byte               // one write's worth of a transfer
	spare        []*transfer          // for the next ones
	moves        map[uint32]*transfer // by connection
	most         int                  // of them, since the map was made
	renewals     map[uint32]*renewal  // by connection
	mostRenewals int                  // since the map was made
	given        []*history.Entry     // that a detached subscription is being given
	unfinished   bool                 // its search or its scan, when the attempt ended
	matched      []*log               // by the push that is being routed
	now          int64

	entering func(b *sub, to state) // if set, called before each change of a state

	removals  fifo.List[*removal]
	relieving bool      // this tick's relieve has yet to begin or to end
	crowded   []*tenant // room for it
}

// slice is the longest a loop works on deliveries before it serves its sockets again.
const slice = 2_000_000 // ns

// New returns a shard without connections. env.Wake may be called from the first Push or Post on.
func New(conf Config, env Env) *Shard {
	if conf.Unsent == nil {
		conf.Unsent = func(Socket) int { return 0 }
	}
	if conf.Write == nil {
		conf.Write = Socket.Write
	}
	if conf.Offer == nil {
		conf.Offer = offerWhole
	}
	if conf.Limits.SlowBytes == 0 {
		conf.Limits.SlowBytes = math.MaxInt64
	}
	s := &Shard{
		conf:     conf,
		env:      env,
		random:   rand.New(rand.NewPCG(conf.Seed, uint64(conf.Index))),
		projects: map[string]*project{},
		tenants:  map[string]*tenant{},
		moves:    map[uint32]*transfer{},
		renewals: map[uint32]*renewal{},
		shares:   map[uint32]int64{},
		frames:   newScratches(),
	}
	s.users.seed = maphash.MakeSeed()
	s.machine = session.NewMachine(conf.Session, s.admit, s.plain)
	s.strangers.share = conf.Strangers
	s.clock()
	s.tick = uint32(s.now / 1e6 / tickMillis)
	s.wheel.now = s.tick
	return s
}

// Stats may be read by any goroutine.
func (s *Shard) Stats() *Stats { return &s.stats }

func (s *Shard) clock() int64 {
	s.now = s.conf.Now()
	return s.now
}

// millis is the time of this turn in wrapping milliseconds.
func (s *Shard) millis() uint32 { return uint32(s.now / 1e6) }

// unix is the wall clock in seconds.
func (s *Shard) unix() int64 { return s.conf.Wall().Unix() }

func (s *Shard) admit(r *websocket.Request) *websocket.Refusal {
	c := s.turn
	admission, refused := s.env.Admit(r, s.peer(c))
	if refused != nil {
		s.handshake = refusal.Record{Address: admission.Address, Subject: requested(r, refused.Reason)}
		return refused
	}
	c.hello = &admission
	c.sess.Form = admission.Form
	c.address, c.port = admission.Address.Addr().As16(), admission.Address.Port()
	return nil
}

// plain decides on a request that is not for a WebSocket.
func (s *Shard) plain(r *websocket.Request, dst []byte) ([]byte, *websocket.Refusal) {
	c := s.turn
	answer, client, refused := s.env.Plain(r, s.peer(c), dst)
	if refused != nil && refused != websocket.Answered {
		s.handshake = refusal.Record{Address: client, Subject: requested(r, refused.Reason)}
	}
	return answer, refused
}

// Input handles what the socket of c has read. in may be changed and is not kept.
func (s *Shard) Input(c *Conn, in []byte) {
	if c.state != stateOpen {
		return
	}
	s.clock()
	s.stats.BytesIn.Add(uint64(len(in)))
	c.lastRead = s.millis()
	c.pings = 0
	s.handle(c, in)
}

// handle runs one turn of c over in and what was kept before it.
func (s *Shard) handle(c *Conn, in []byte) {
	if c.sess.Phase >= session.Closing {
		return
	}
	s.turn, s.late, s.more = c, c.sess.Late(), false
	defer s.endTurn(c)
	s.machine.Begin(&c.sess, in)
	for c.state == stateOpen {
		ev := s.machine.Next(&c.sess)
		s.unpacked(c)
		if ev.Kind == session.More {
			break
		}
		s.event(c, &ev)
	}
	s.machine.End(&c.sess)
	if s.machine.Paused && !c.sess.Pauses {
		c.sess.Pauses = true
		s.postTo(c.ref(), func(c *Conn) {
			c.sess.Pauses = false
			s.handle(c, nil)
		})
	}
	if !c.sess.Late() {
		c.frames = max(0, c.frames)
	}
	if c.state == stateOpen {
		if s.count(c) || s.more {
			s.afford(c)
		}
		s.flush(c)
	}
}

// endTurn releases a connection that closed during its own turn, and closes one whose turn panicked.
func (s *Shard) endTurn(c *Conn) {
	s.turn = nil
	if reason := recover(); reason != nil {
		s.recovered("session", reason)
		s.machine.Out = s.machine.Out[:0]
		s.drop(c)
	}
	if c.state == stateGone {
		s.free(c)
	}
}

// Tick lets time pass. The node's ticker has the loop call it every 20 ms or so, before Run.
func (s *Shard) Tick() {
	last := s.tick
	s.tick = uint32(s.clock() / 1e6 / tickMillis)
	s.grace.pass(s.tick-last, s.tick)
	s.walkAgain()
	s.conns.trim()
	s.subs.trim()
	s.relieving = s.stats.Transfers.Load() > 0
}

// Run does the waiting work, for one slice at most, and reports whether more is left: then it must be called again as soon
// as the sockets have been served. Subscriptions that are up to date come first, and leave a quarter of the slice to those
// that catch up.
func (s *Shard) Run() (more bool) {
	start := s.clock()
	items := s.drain(start + slice/2)
	timers := s.guarded("timer", func() bool { return s.expire(s.tick, start+slice/4) })
	relief := s.guarded("relief", func() bool { return s.relieve(start + slice/2) })
	removals := s.guarded("removal", func() bool { return s.removeSome(s.now + slice/8) })
	rounds := s.guarded("round", func() bool { return s.work(start + slice*3/4) })
	named := s.guarded("resume", func() bool { return s.followNamed(start + slice*7/8) })
	retries := s.guarded("retry", func() bool { return s.followAll(start + slice) })
	asked := s.guarded("query", s.query)
	return items || timers || relief || removals || rounds || named || retries || asked
}

// guarded recovers from a panic of f: the interrupted work is counted and skipped, and the rest goes on in the next slice.
func (s *Shard) guarded(where string, f func() bool) (more bool) {
	defer func() {
		if reason := recover(); reason != nil {
			s.recovered(where, reason)
			s.machine.Out = s.machine.Out[:0]
			s.skip()
			more = true
		}
	}()
	return f()
}

// drain takes the inbox, until the deadline: pushes go to their projects, tasks are carried out. It reports whether some
// are left; what comes in meanwhile waits for the next slice.
func (s *Shard) drain(deadline int64) (more bool) {
	left := len(s.items) > 0
	if !left {
		s.batch = s.inbox.take()
		s.items = s.batch
	}
	for n := 1; len(s.items) > 0; n++ {
		it := s.items[0]
		s.items = s.items[1:]
		if it.entry != nil {
			s.takeIn(it.project, it.entry)
		} else {
			s.guarded("task", func() bool { it.task(); return false })
		}
		if (n%16 == 0 || it.task != nil) && s.clock() >= deadline {
			break
		}
	}
	if len(s.items) > 0 {
		return true
	}
	s.inbox.give(s.batch)
	s.batch = nil
	return left && s.inbox.wakes() // what has come since may have no other wake than this one
}
