package shard

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/stomp"
)

// feed is a subscription as its client sees it, over all of the client's connections: what was delivered, what the client can
// resume from, and what must still be delivered.
type feed struct {
	c       *simClient
	dest    string
	pattern *destination.Pattern
	id      string
	ack     session.AckMode

	link     *simLink // that carried SUBSCRIBE; nil when there is none
	receipts bool     // the client wants a RECEIPT
	stopping bool     // UNSUBSCRIBE was sent
	stopped  bool     // and its RECEIPT came

	// What the server has to answer.
	outcome  outcome
	claims   []bus.Position // of a SUBSCRIBE with last-message-id
	claimed  string
	invented bool // the claims are not what the client has seen
	asked    int64
	noted    bool // a MESSAGE said how the resume came out
	jumps    []jump

	// What the shard must have done by now, and may have.
	entered  bool      // SUBSCRIBE is on its way to it
	taken    bool      // it has it
	resolved bool      // and its beginning is known
	unplaced bool      // the client may not know its position
	settings *Settings // in force when SUBSCRIBE came
	since    []int     // what the shard had taken by then, at least
	fresh    []span    // where a subscription that is not resumed begins
	node     *simProject
	history  *history.Log // of it, until it is removed

	parts []part
	known []bus.Position // positions to resume from; Epoch 0: none

	told, sure, maybe int      // pushes: reported as dropped; missed; missed for a valid reason
	tokens            []string // not acknowledged
}

type outcome uint8

const (
	plain outcome = iota
	pending
	whole // resumed:true
	gap   // resumed:false
)

// jump is a gap in a live subscription, or the pushes that it lost by a panic.
type jump struct {
	part, low, high int          // places of pushes that the node never had
	begin           bus.Position // where it goes on
	panic           bool         // caused by a panic: never certain
	at              int          // bytes that had been written to the socket: the next MESSAGE reports the gap
	waits           bool         // or a later MESSAGE: the shard has pushes to take first
	sure            int          // bytes that had been written when it had taken all: from here on the next MESSAGE reports the gap
	may             bool         // or no MESSAGE does: the subscription may not have met the gap
	told            bool
}

// span bounds a beginning that cannot be observed exactly.
type span struct{ low, high int }

// part is the state of a feed in one partition.
type part struct {
	next    int // all before it was delivered, or is not for the feed
	low     int // nothing before it may be delivered, except pushes to the session
	must    int // all from here on must be delivered
	session int // all pushes to the session from here on must be delivered
	got     bool
}

func (c *simClient) newFeed(dest, id string) *feed {
	f := &feed{c: c, dest: dest, id: id}
	if destination.IsPattern(dest) && !f.user() {
		p, err := destination.ParsePattern(dest)
		if err != nil {
			panic(err)
		}
		f.pattern = p
	}
	f.parts = make([]part, len(c.topic.parts))
	f.known = make([]bus.Position, len(c.topic.parts))
	return f
}

func (f *feed) user() bool { return strings.HasPrefix(f.dest, userPrefix+"/") }

// ask subscribes on l. resume is last-message-id; claims are the positions in it, nil without any.
func (f *feed) ask(l *simLink, resume string, claims []bus.Position, invented bool) {
	f.link, f.stopping, f.stopped = l, false, false
	f.outcome, f.claims, f.claimed, f.invented, f.noted = plain, claims, resume, invented, false
	f.entered, f.taken, f.resolved, f.asked = false, false, false, l.w.now
	f.told, f.sure, f.maybe, f.tokens = 0, 0, 0, nil
	f.jumps = nil
	headers := []string{"destination", f.dest}
	if f.id != "" {
		headers = append(headers, "id", f.id)
	}
	if f.ack != session.AckAuto || l.w.chance(4) {
		headers = append(headers, "ack", f.ack.String())
	}
	if resume != "" {
		f.outcome = pending
		headers = append(headers, "last-message-id", resume)
	} else {
		clear(f.known)
	}
	l.feeds = append(l.feeds, f)
	var e *expect
	if f.receipts {
		e = &expect{feed: f}
	}
	l.riskPattern(f)
	l.asking = f
	l.send(stomp.Subscribe, "", e, headers...)
}

// enter is called when the first bytes of SUBSCRIBE reach the server: from now on it may have the subscription.
func (f *feed) enter(l *simLink) {
	if f.entered || f.link != l {
		return
	}
	sh, t := l.sock.sh, f.c.topic
	f.entered = true
	f.since = sh.least(t)
	f.node = sh.node.projects[t.number]
	f.history = f.node.history
	f.settings = sh.set[t.number]
	f.unplaced = len(sh.intake.sure[t.number]) < f.c.w.profile.Partitions
}

// take is called when the server certainly has SUBSCRIBE. most is an upper bound of what it had taken from the bus by then.
func (f *feed) take(most []int) {
	if f.taken || !f.entered {
		return
	}
	f.taken = true
	for p := range f.parts {
		f.parts[p].session = of(most, p)
	}
	if f.outcome == plain {
		f.resolve(most)
	}
}

// resolve is called when the subscription has certainly begun, at some time between SUBSCRIBE and now.
func (f *feed) resolve(most []int) {
	f.resolved = true
	f.fresh = nil
	for p := range f.parts { // a partition that was added later is delivered whole
		low := of(f.since, p)
		f.fresh = append(f.fresh, span{low, max(low, of(most, p))})
	}
	if f.outcome == plain {
		f.begin()
	}
}

// begins is called when the client sees, by its first frame, that the subscription has begun. The shard had taken no more than most
// when it wrote that frame.
func (f *feed) begins(l *simLink, most []int) {
	f.take(most)
	if f.resolved {
		return
	}
	f.resolve(most)
	for i := range f.jumps {
		if j := &f.jumps[i]; l.begun < j.at {
			j.may = j.may && j.panic // it had begun before the gap
		}
	}
}

// jumped notes that the shard continues after a gap. Subscriptions that begin later may or may not have met it.
func (f *feed) jumped(j jump) {
	if f.entered {
		j.at = f.link.sock.total
		f.jumps = append(f.jumps, j)
	}
}

// settled notes that the shard has taken all that it was handed, so that its next MESSAGE to a subscription reports earlier gaps.
func (f *feed) settled() {
	for i := range f.jumps {
		if j := &f.jumps[i]; j.waits {
			j.waits, j.sure = false, f.link.sock.total
		}
	}
}

// place derives from the position on a RECEIPT which gaps the subscription has met: gaps before that position are not reported to
// it. A RECEIPT may wait behind other bytes while gaps occur, and a resume that has pushes to deliver names a position before
// them.
func (f *feed) place(positions []bus.Position) {
	for i := range f.jumps {
		j := &f.jumps[i]
		if j.panic || !j.may {
			continue
		}
		for _, pos := range positions {
			if int(pos.Partition) == j.part {
				j.told = j.told || pos.Epoch == j.begin.Epoch && pos.Offset >= j.begin.Offset-1
				j.may = j.may && f.outcome != plain
			}
		}
	}
}

// begin returns where a subscription that is not resumed begins.
func (f *feed) begin() {
	for _, c := range f.claims { // a client that claims future pushes does not receive them
		if x := &f.parts[c.Partition]; f.invented {
			x.session = max(x.session, f.c.topic.past(c))
		}
	}
	for p := range f.fresh {
		x := &f.parts[p]
		x.low, x.must = f.fresh[p].low, f.fresh[p].high
		x.next = min(x.low, x.session)
		x.got = false
	}
}

// decide notes the outcome of a resume.
func (f *feed) decide(answer string) {
	w := f.c.w
	was := f.outcome
	switch answer {
	case "true":
		f.outcome = whole
	case "false":
		f.outcome = gap
	default:
		w.failf("%v: the resume was answered with %q", f, answer)
		return
	}
	if was == f.outcome {
		return
	}
	if was != pending {
		w.failf("%v: resumed:%s, but before %d", f, answer, was)
		return
	}
	w.tracef("%v: resumed:%s", f, answer)
	if f.outcome == gap {
		f.begin()
		clear(f.known)
		return
	}
	for p := range f.parts {
		x := &f.parts[p]
		for _, c := range f.claims {
			if int(c.Partition) == p { // less than before, if the last was a push to the session before its beginning
				x.next = min(x.next, f.c.topic.past(c))
			}
		}
		if f.invented {
			x.next = f.c.topic.epoch().first[p] // it has nothing of a partition that it did not name
			if f.pattern == nil && !f.user() && p < len(f.node.begin) {
				x.next = f.node.known[p] // and its destination should not be in it
			}
			for _, c := range f.claims {
				if int(c.Partition) == p {
					x.next = f.c.topic.past(c)
				}
			}
			clear(f.known)
		}
		x.low, x.must = x.next, x.next
		if !f.invented && len(f.parts) > w.profile.Partitions && !slices.ContainsFunc(f.claims, func(c bus.Position) bool { return int(c.Partition) == p }) {
			// The destination has moved here or from here, and the client never heard of a place here: a node that is late
			// in this partition alone gives it what came before it subscribed.
			x.low, x.next = 0, 0
		}
	}
}

// receipt is the RECEIPT of SUBSCRIBE or UNSUBSCRIBE.
func (f *feed) receipt(l *simLink, fr *stomp.Frame, what stomp.Command) {
	if what == stomp.Unsubscribe {
		f.stopped = true
		f.link.feeds = slices.DeleteFunc(f.link.feeds, func(o *feed) bool { return o == f })
		return
	}
	if f.stopping {
		return
	}
	w := f.c.w
	if !f.entered {
		w.failf("%v: RECEIPT for a SUBSCRIBE that was not sent", f)
		return
	}
	f.begins(l, l.sock.when(l.begun).most)
	resumed, has := fr.Get("resumed")
	if has != (f.claimed != "") {
		w.failf("%v: RECEIPT has resumed %q", f, resumed)
		return
	}
	if has {
		f.decide(string(resumed))
	}
	position, has := fr.Get("position")
	if !has && f.unplaced {
		return
	}
	positions, err := bus.ParsePositions(string(position))
	if err != nil || len(positions) < f.c.w.profile.Partitions && !f.unplaced || len(positions) > len(f.parts) {
		w.failf("%v: RECEIPT has position %q", f, position)
		return
	}
	if f.outcome == gap {
		f.justify(positions)
	}
	if w.err != nil {
		return
	}
	f.place(positions)
	for _, pos := range positions {
		n, x := f.c.topic.past(pos), &f.parts[pos.Partition]
		if f.outcome != whole {
			if r := f.fresh[pos.Partition]; n < r.low || n > r.high {
				w.failf("%v: position %v is %d, but it began in %v", f, pos, n, r)
			}
			x.low, x.must = n, n
		}
		if f.known[pos.Partition].Epoch == 0 || x.next <= n {
			f.known[pos.Partition] = pos
		}
	}
}

// message is a MESSAGE of the feed.
func (f *feed) message(l *simLink, fr *stomp.Frame) {
	w := f.c.w
	w.received++
	pos, err := bus.ParsePosition(header(fr, "message-id"))
	if err != nil {
		w.failf("%v: message-id %q", f, header(fr, "message-id"))
		return
	}
	p := f.c.topic.find(pos)
	if p == nil {
		w.failf("%v: no push has the id %v", f, pos)
		return
	}
	w.tracef("%v: MESSAGE %v %s", f, pos, notes(fr))
	if f.stopped || !f.entered {
		w.failf("%v: MESSAGE %v, but the subscription is gone or has not begun", f, pos)
		return
	}
	written := l.sock.when(l.begun)
	if !f.resolved {
		f.begins(l, written.most)
	}
	f.compare(p, fr)
	if !f.gets(p) {
		w.failf("%v: MESSAGE %v is not for it: %+v", f, pos, p.record)
		return
	}
	f.note(l, fr)
	if w.err != nil {
		return
	}
	if dropped := header(fr, "dropped"); dropped != "" {
		n, err := strconv.Atoi(dropped)
		if err != nil || n <= 0 {
			w.failf("%v: dropped:%s", f, dropped)
		}
		f.told += n
		if f.c.good && !f.c.topic.forgets() && l.reason == "" {
			w.failf("%v: dropped:%d, but the client was never slow", f, n)
		}
	}
	x := &f.parts[p.part]
	switch {
	case p.index < x.next:
		w.failf("%v: MESSAGE %v (%d) again or out of order, %d was next", f, pos, p.index, x.next)
	case p.record.Session == "" && p.index < x.low:
		w.failf("%v: MESSAGE %v (%d) is from before its beginning at %d", f, pos, p.index, x.low)
	}
	f.skip(p.part, p.index)
	x.next = p.index + 1
	x.got = x.got || p.record.Session == ""
	f.known[p.part] = pos
	if p.expires != 0 && written.at > p.expires+f.slack() {
		w.failf("%v: MESSAGE %v was written %d ms after it had expired", f, pos, (written.at-p.expires)/millisecond)
	}
	f.owe(l, fr, pos)
}

// slack is how long a push may be delivered after it expired: the clock is read only now and then.
func (f *feed) slack() int64 { return 48*int64(f.c.w.profile.WriteCost) + millisecond }

// note checks that the first MESSAGE after a resume reports its outcome, that the first after a gap reports the gap, and that no
// other MESSAGE reports either.
func (f *feed) note(l *simLink, fr *stomp.Frame) {
	resumed, has := fr.Get("resumed")
	due, gap, perhaps := f.claimed != "" && !f.noted, false, false
	for i := range f.jumps {
		j := &f.jumps[i]
		if j.told || l.begun < j.at {
			continue
		}
		if j.waits || l.begun < j.sure {
			j.told = string(resumed) == "false"
			perhaps = perhaps || j.told
			continue
		}
		j.told = true
		gap = gap || !j.may
		perhaps = perhaps || j.may
		if j.may && string(resumed) != "false" {
			j.low, j.high = 0, 0 // it lost nothing
		}
	}
	if has != (due || gap) && !(has && perhaps) || has && !due && string(resumed) != "false" || gap && string(resumed) != "false" {
		f.c.w.failf("%v: MESSAGE has resumed %q, behind a gap %t, or perhaps one %t", f, resumed, gap, perhaps)
		return
	}
	switch {
	case !has:
	case f.outcome == pending && (gap || perhaps) && string(resumed) == "false":
		f.muddle()
	case !gap && !perhaps:
		f.decide(string(resumed))
	case f.outcome == pending:
		f.decide(string(resumed))
	}
	f.noted = f.noted || has
}

// muddle handles resumed:false that may be about the resume, or about a gap after a complete resume: the subscription may receive
// what it missed, and need not.
func (f *feed) muddle() {
	f.outcome = gap
	f.begin()
	clear(f.known)
	for p := range f.parts {
		x := &f.parts[p]
		low := 0
		for _, c := range f.claims {
			if int(c.Partition) == p {
				low = max(0, f.c.topic.past(c))
			}
		}
		x.low = min(x.low, low)
		x.next = min(x.low, x.session)
	}
}

// compare checks a MESSAGE against what was published.
func (f *feed) compare(p *push, fr *stomp.Frame) {
	w, r := f.c.w, p.record
	dest := r.Destination
	if r.User != "" || r.Session != "" {
		dest = userPrefix + dest
	}
	switch {
	case !bytes.Equal(fr.Body, r.Body):
		w.failf("%v: body of %v is %.60q, not %.60q", f, p.pos, fr.Body, r.Body)
	case header(fr, "destination") != dest, header(fr, "content-type") != r.ContentType:
		w.failf("%v: MESSAGE %v has %s", f, p.pos, fr.Headers)
	}
	for _, h := range r.Headers {
		if f.c.version != stomp.V10 && header(fr, h.Name) != h.Value {
			w.failf("%v: MESSAGE %v has %s for %v", f, p.pos, fr.Headers, h)
		}
	}
}

// owe notes that the client must acknowledge the MESSAGE, and checks that the server obeys the ACK window.
func (f *feed) owe(l *simLink, fr *stomp.Frame, pos bus.Position) {
	token, has := fr.Get("ack")
	if has != (f.c.version == stomp.V12 && f.ack != session.AckAuto) {
		f.c.w.failf("%v: MESSAGE has ack %q", f, token)
	}
	if f.ack == session.AckAuto {
		return
	}
	if !has {
		token = []byte(pos.String())
	}
	f.tokens = append(f.tokens, string(token))
	if f.settings == nil || f.node.settings != f.settings || f.settings.AckWindow == 0 || f.c.version == stomp.V10 {
		return
	}
	if len(f.tokens) > f.settings.AckWindow {
		f.c.w.failf("%v: %d pushes without an ACK, the window is %d", f, len(f.tokens), f.settings.AckWindow)
	}
}

// matches reports whether p is for the feed.
func (f *feed) matches(p *push) bool {
	r := p.record
	switch {
	case r.Session != "":
		return f.link != nil && r.Session == f.link.session && f.dest == userPrefix+r.Destination
	case r.User != "":
		return r.User == f.c.user && f.dest == userPrefix+r.Destination
	case f.pattern != nil:
		return f.pattern.Match(r.Destination)
	}
	return f.dest == r.Destination
}

// gets reports whether p is for the feed and can be carried by its client's transport.
func (f *feed) gets(p *push) bool {
	return f.matches(p) && (!f.c.form.Escaped() || utf8.Valid(p.record.Body))
}

// skip notes that pushes before index that were not delivered never will be.
func (f *feed) skip(part, index int) {
	x := &f.parts[part]
	for n := x.next; n < index; n++ {
		p := f.c.topic.parts[part][n]
		if !f.matches(p) {
			continue
		}
		start := x.must
		if p.record.Session != "" {
			start = x.session
		}
		switch {
		case !f.gets(p): // a lost one counts as well
			f.maybe++
		case n < start, f.leapt(part, n), p.expires != 0 && f.c.w.now >= p.expires:
			f.maybe++
		default:
			f.sure++
			if f.sure > f.told && !f.stopping && !f.vague() {
				f.c.w.failf("%v: %v (%d of partition %d) is lost; %d were told to be dropped", f, p.pos, n, part, f.told)
				return
			}
		}
	}
	x.next = index
}

// vague reports whether the feed was told of a loss of unknown size: a resumed pattern is told so of what history had evicted
// before it was scanned.
func (f *feed) vague() bool { return f.pattern != nil && f.outcome == whole && f.told > 0 }

// leapt reports whether the node never had the push at n, and has reported or will report that.
func (f *feed) leapt(part, n int) bool {
	return slices.ContainsFunc(f.jumps, func(j jump) bool { return j.part == part && j.low <= n && n < j.high })
}

// lost notes the end of the connection. The client keeps its positions.
func (f *feed) lost() {
	f.link = nil
	for p := range f.parts {
		x := &f.parts[p]
		if !x.got {
			x.next = max(x.next, x.must) // earlier pushes were for the session
		}
	}
	if f.stopping {
		f.c.feeds = slices.DeleteFunc(f.c.feeds, func(o *feed) bool { return o == f })
	}
}

// resume subscribes again on a new connection, from the client's positions.
func (f *feed) resume(l *simLink) {
	var text []byte
	var claims []bus.Position
	for _, pos := range f.known {
		if pos.Epoch != 0 {
			if len(text) > 0 {
				text = append(text, ',')
			}
			text = pos.AppendTo(text)
			claims = append(claims, pos)
		}
	}
	f.ask(l, string(text), claims, false)
}

// justify checks that there is a valid reason for resumed:false. positions is what the shard had applied.
func (f *feed) justify(positions []bus.Position) {
	t, node := f.c.topic, f.node
	if !node.served || node.history != f.history {
		return // the node has since dropped the project with its history
	}
	named := map[int]int{}
	for _, c := range f.claims {
		if int(c.Partition) >= len(t.parts) || c.Epoch != t.epochs[node.epoch].number {
			return
		}
		named[int(c.Partition)] = t.past(c)
	}
	if len(named) == 0 {
		return
	}
	for part := range named {
		if !slices.ContainsFunc(positions, func(pos bus.Position) bool { return int(pos.Partition) == part }) {
			f.patient()
			return
		}
	}
	for _, pos := range positions {
		part, applied := int(pos.Partition), t.past(pos)
		seen, ok := named[part]
		switch {
		case !ok && (f.pattern != nil || f.user()) && pos.Offset >= 0, ok && seen < node.known[part]:
			return
		case !ok && bus.Home(f.dest, len(node.begin)) == pos.Partition && node.known[part] > t.epochs[node.epoch].first[part]:
			return // pushes from before the node started
		case pos.Epoch != t.epochs[node.epoch].number:
			return // the shard does not know the epoch yet
		case ok && seen > applied:
			f.patient()
			return
		case !ok:
			seen = 0
		}
		for n := seen; n < node.read[part]; n++ { // history may have evicted pushes that this shard has not taken
			p := t.parts[part][n]
			wanted, gone := f.matches(p) && p.record.Session == "", node.mayForget(f.c.w.now, &f.c.w.profile, part, n)
			// Of a destination whose newest was gone before a restart, and is read again, it is not known what was before that.
			gone = gone || n < node.evicted[part]
			if wanted && (!ok || gone) || gone && f.mistakes(p) {
				return
			}
		}
	}
	f.c.w.failf("%v: resumed:false for %q, of which nothing is gone", f, f.claimed)
}

// mistakes reports whether a node that has evicted p may mistake it for a push to f: when it keeps floors for few destinations only,
// the others of a kind share one.
func (f *feed) mistakes(p *push) bool {
	world := &f.c.w.profile
	return world.tight() && f.c.topic.floorBytes() > world.HistoryBytes/4 && p.record.Session == "" && (p.record.User != "") == f.user()
}

// patient checks that the shard waited, as it must while it is behind the client.
func (f *feed) patient() {
	if waited := (f.c.w.now - f.asked) / millisecond; waited < catchUpTime-10 {
		f.c.w.failf("%v: resumed:false after %d ms, for a shard that is behind", f, waited)
	}
}

func notes(fr *stomp.Frame) string {
	s := ""
	for _, name := range []string{"resumed", "dropped"} {
		if v, ok := fr.Get(name); ok {
			s += name + ":" + string(v) + " "
		}
	}
	return s
}

func (f *feed) String() string {
	return f.c.String() + " subscription " + strconv.Quote(f.id) + " to " + f.dest
}

func contains(words, word string) bool { return slices.Contains(strings.Fields(words), word) }
