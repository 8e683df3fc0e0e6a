package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/statefile"
)

// topic is what a bus has, and the Log of a node that reads it, is restarted, and asked. What the topic has is the judge.
type topic struct {
	t    *testing.T
	rng  *rand.Rand
	l    *Log
	b    Bounds
	now  int64
	name string

	epoch  uint64
	all    []published // in order of time
	next   map[int32]int64
	low    map[int32]int64 // the topic has taken back the places from here
	former map[int32]int64 // up to here, at one time or another
	blind  map[int32]bool  // and the node does not know
	read   map[int32]int64 // up to where the Log has read

	saved   []byte // the last file
	reading bool   // what was there at the start

	whole, gaps, quiet, restored, saves, refused int
}

type published struct {
	pos bus.Position
	r   bus.Record
}

func newTopic(t *testing.T, seed uint64, b Bounds, partitions int) *topic {
	k := &topic{t: t, rng: rand.New(rand.NewPCG(seed, 7)), b: b, epoch: 1, name: fmt.Sprint("seed ", seed)}
	k.next, k.low, k.former, k.read, k.blind = map[int32]int64{}, map[int32]int64{}, map[int32]int64{}, map[int32]int64{}, map[int32]bool{}
	for p := range int32(partitions) {
		k.next[p], k.former[p] = 0, -1
	}
	return k
}

// restartSeeds is how many runs there are.
const restartSeeds = 60

var restartTopics = func() (all []string) {
	for n := range 40 {
		all = append(all, fmt.Sprintf("/topic/%c/%d", 'a'+n%4, n))
	}
	return all
}()

// publish puts a record on the bus. Some destinations are quiet, some are busy; now and then a record has a place of its own.
func (k *topic) publish() published {
	n := min(k.rng.IntN(40), k.rng.IntN(40), k.rng.IntN(40))
	r := bus.Record{Destination: restartTopics[n], Body: make([]byte, k.rng.IntN(100))}
	home := bus.Home(r.Destination, len(k.next))
	switch k.rng.IntN(6) {
	case 0:
		r.Destination, r.User = "/queue/x", fmt.Sprint("user-", n)
		home = bus.Home(UserKey(r.User, r.Destination), len(k.next))
	case 1:
		r.Destination, r.Session = "/queue/x", fmt.Sprint("session-", n)
	}
	if k.rng.IntN(30) == 0 {
		home = int32(k.rng.IntN(len(k.next)))
	}
	p := published{at(k.epoch, home, k.next[home]), r}
	k.next[home] += 1 + k.rng.Int64N(2)*k.rng.Int64N(3)
	k.all = append(k.all, p)
	k.now += int64(time.Second)
	return p
}

// take makes the Log read one record.
func (k *topic) take(p published) {
	r := p.r
	if _, taken := k.l.Append(NewEntry(p.pos, &r, k.now, 0), 0); !taken {
		k.t.Fatalf("%s: %v was not taken", k.name, p.pos)
	}
	k.read[p.pos.Partition] = p.pos.Offset
}

// write is what happens while a save writes: the Log has given up its lock.
func (k *topic) write(b []byte) {
	k.saved = append(k.saved, b...)
	for n := k.rng.IntN(3) * k.rng.IntN(50); n > 0 && !k.reading; n-- {
		k.take(k.publish())
	}
	if k.rng.IntN(3) == 0 {
		k.l.EvictOlder(k.now)
	}
	if k.rng.IntN(10) == 0 && !k.reading {
		k.gap()
	}
}

// gap makes the Log go on behind records that it has not read.
func (k *topic) gap() {
	for range k.rng.IntN(20) {
		k.publish()
	}
	for p, next := range k.next {
		if next > k.read[p]+1 {
			k.l.Begin(at(k.epoch, p, next))
			k.read[p] = next - 1
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

func (k *topic) save() {
	before := k.saved
	k.saved = nil
	switch saved, err := k.l.Save(writerFunc(k.write)); {
	case err != nil:
		k.t.Fatal(err)
	case saved:
		k.saves++
	default:
		k.refused++
		k.saved = before
	}
}

// stepBack has the topic lose its newest records.
func (k *topic) stepBack(partition int32) {
	to := max(0, k.next[partition]-1-k.rng.Int64N(8))
	if k.former[partition] < 0 {
		k.low[partition] = to
	}
	k.low[partition] = min(k.low[partition], to)
	k.former[partition] = max(k.former[partition], k.next[partition]-1)
	k.next[partition] = to
	k.all = slices.DeleteFunc(k.all, func(p published) bool { return p.pos.Partition == partition && p.pos.Offset >= to })
}

// restart begins a new life, which reads from where the topic was at a time; wild: from anywhere. The node learns where the
// topic ends.
func (k *topic) restart(cut int, wild bool) {
	k.l = NewLog(k.b)
	for p, former := range k.former {
		k.blind[p] = former >= 0
	}
	if k.saved != nil {
		s, err := statefile.Decode(k.saved)
		if err != nil {
			k.t.Fatal(k.name, err)
		}
		k.l.Recall(s)
		for _, known := range s.Partitions {
			p := known.Number
			if known.Next > k.next[p] {
				known.Former = max(known.Former, known.Next-1)
			}
			k.blind[p] = k.former[p] >= 0 && (s.Epoch != k.epoch || known.Former < k.former[p])
		}
	}
	begins := map[int32]int64{}
	for p, next := range k.next {
		begins[p] = next
	}
	for _, p := range k.all[cut:] {
		begins[p.pos.Partition] = min(begins[p.pos.Partition], p.pos.Offset)
	}
	for p, begin := range begins {
		if wild && k.rng.IntN(2) == 0 {
			begin = k.rng.Int64N(k.next[p] + 1)
		}
		if next := k.l.Covered(at(k.epoch, p, begin), k.next[p]); next > begin {
			k.t.Fatalf("%s: %d is covered, for a begin at %d", k.name, next, begin)
		} else if k.rng.IntN(2) == 0 {
			begin = next
		}
		begins[p] = begin
		r := k.l.Begin(at(k.epoch, p, begin))
		k.restored += r.Covered
		k.read[p] = begin - 1
	}
	k.reading = true
	for _, p := range k.all {
		if p.pos.Offset < begins[p.pos.Partition] {
			continue
		}
		k.take(p)
		if k.rng.IntN(10) == 0 {
			k.ask()
		}
		if k.rng.IntN(100) == 0 {
			k.save()
		}
		if k.rng.IntN(100) == 0 {
			k.l.EvictOlder(k.now)
		}
	}
	k.reading = false
	k.advance()
}

func (k *topic) advance() {
	for p, next := range k.next {
		if next-1 > k.read[p] {
			k.l.Advance(at(k.epoch, p, next-1))
			k.read[p] = next - 1
		}
	}
}

// client is somebody who comes back.
func (k *topic) client() (w Wanted, seen []bus.Position) {
	switch k.rng.IntN(3) {
	case 0:
		w.Chain = restartTopics[k.rng.IntN(len(restartTopics))]
	case 1:
		w.Chain = UserKey(fmt.Sprint("user-", k.rng.IntN(30)), "/queue/x")
	default:
		w.Match = startsWith([]string{"/topic/", "/topic/a", "/topic/c/2", "/topic/d/39"}[k.rng.IntN(4)])
	}
	few := k.rng.IntN(3) == 0
	for p, read := range k.read {
		if few && k.rng.IntN(3) > 0 {
			continue
		}
		back := k.rng.Int64N(10) * k.rng.Int64N(10)
		if k.rng.IntN(2) == 0 {
			back = k.rng.Int64N(read + 2)
		}
		seen = append(seen, at(k.epoch, p, max(-1, read-back)))
	}
	return w, seen
}

// ask has a client resume, and checks whether what it is told is true: whole means that it is given all that it has missed, and
// nothing else.
func (k *topic) ask() {
	w, seen := k.client()
	if len(seen) == 0 {
		return
	}
	named := map[int32]int64{}
	applied := map[int32]bus.Position{}
	ambiguous := false
	for _, pos := range seen {
		named[pos.Partition] = pos.Offset
		if low := k.low[pos.Partition]; low <= pos.Offset && pos.Offset <= k.former[pos.Partition] { // of which life?
			if ambiguous = true; k.blind[pos.Partition] {
				return
			}
		}
	}
	for p, read := range k.read {
		applied[p] = at(k.epoch, p, read)
	}
	given, whole := k.l.Since(w, seen, applied)
	if !whole {
		k.gaps++
		return
	}
	if ambiguous {
		k.t.Fatalf("%s: %v is of what was taken back, and nothing is missing", k.name, seen)
	}
	k.whole++
	var missed []string
	quiet := true
	for i := range k.all {
		p := &k.all[i]
		offset, ok := named[p.pos.Partition]
		if p.pos.Offset > k.read[p.pos.Partition] || !w.has(&Entry{Destination: p.r.Destination, User: p.r.User, Session: p.r.Session}) {
			continue
		}
		if !ok && p.pos.Offset < k.l.partitions[p.pos.Partition].begin.Offset && !w.mayBeIn(p.pos.Partition, len(k.next)) {
			continue // nobody knows of a destination that was elsewhere before
		}
		if !ok || p.pos.Offset > offset {
			missed = append(missed, p.pos.String())
			quiet = false
		}
	}
	if quiet {
		k.quiet++
	}
	var got []string
	for _, e := range given {
		got = append(got, e.Position.String())
	}
	// A node that starts reads partitions in no order between them.
	slices.Sort(missed)
	slices.Sort(got)
	if !slices.Equal(missed, got) {
		k.t.Fatalf("%s: %q from %v: given %v, missed %v", k.name, w.Chain, seen, got, missed)
	}
}

// However a node is restarted, whatever was saved when, and wherever it begins to read: it never says that nothing is missing
// when something is.
func TestRestartsTellTheTruth(t *testing.T) {
	whole, gaps, quiet, restored, saves, refused := 0, 0, 0, 0, 0, 0
	for seed := range uint64(restartSeeds) {
		rng := rand.New(rand.NewPCG(seed, 8))
		b := Bounds{time.Duration(50+rng.IntN(600)) * time.Second, 5000 + rng.Int64N(30_000)*(1+9*rng.Int64N(2))}
		k := newTopic(t, seed, b, 1+rng.IntN(4))
		k.l = NewLog(b)
		for p := range k.next {
			k.l.Begin(at(k.epoch, p, 0))
			k.read[p] = -1
		}
		for range 1 + rng.IntN(4) {
			for range 200 + rng.IntN(1000) {
				switch n := rng.IntN(1000); {
				case n < 3: // the bus loses its newest
					p := int32(rng.IntN(len(k.next)))
					if k.advance(); k.next[p] > 0 {
						k.stepBack(p)
						k.l.Begin(at(k.epoch, p, k.next[p]))
						k.read[p] = k.next[p] - 1
					}
				case n < 6: // a gap
					k.gap()
				case n < 7: // one more partition
					p := int32(len(k.next))
					k.next[p], k.former[p], k.read[p] = 0, -1, -1
					k.l.Begin(at(k.epoch, p, 0))
				case n < 20:
					k.advance()
				case n < 40:
					k.l.EvictOlder(k.now)
				case n < 45:
					k.save()
				case n < 300:
					k.ask()
				default:
					k.take(k.publish())
				}
			}
			if rng.IntN(2) == 0 { // else it was killed
				k.save()
			}
			for range rng.IntN(2) * rng.IntN(100) { // the node is away
				k.publish()
			}
			if rng.IntN(10) == 0 {
				k.stepBack(int32(rng.IntN(len(k.next))))
			}
			switch rng.IntN(20) {
			case 0: // the topic is made again
				k.epoch++
				k.all = nil
				for p := range k.next {
					k.next[p], k.former[p] = 0, -1
				}
				for range rng.IntN(500) {
					k.publish()
				}
			case 1:
				p := int32(len(k.next))
				k.next[p], k.former[p] = 0, -1
			}
			k.restart(max(0, len(k.all)-rng.IntN(600)), rng.IntN(4) == 0)
			for range 50 {
				k.ask()
			}
		}
		(&book{t: t, Log: k.l}).audit()
		whole, gaps, quiet = whole+k.whole, gaps+k.gaps, quiet+k.quiet
		restored, saves, refused = restored+k.restored, saves+k.saves, refused+k.refused
	}
	t.Logf("%d resumes, %d of them without a push, %d gaps; %d partitions went on, %d saves, %d refused", whole, quiet, gaps, restored, saves, refused)
	if quiet < 10*restartSeeds || restored < restartSeeds || refused < restartSeeds {
		t.Error("that proves little")
	}
}

// A node that begins within what was known answers as one does that has read on, and has evicted all that lies below.
func TestRestartedEqualsReadOn(t *testing.T) {
	asked, gaps := 0, 0
	for seed := range uint64(100) {
		k := newTopic(t, seed, Bounds{time.Hour, 64 << 20}, 1+int(seed%5))
		readOn := NewLog(k.b)
		k.l = NewLog(k.b)
		for p := range k.next {
			k.l.Begin(at(k.epoch, p, 0))
			readOn.Begin(at(k.epoch, p, 0))
			k.read[p] = -1
		}
		// What lies before, no node has read.
		publish := func(n int) {
			for range n {
				p := k.publish()
				k.take(p)
				r := p.r
				readOn.Append(NewEntry(p.pos, &r, k.now, 0), 0)
			}
		}
		publish(100 + k.rng.IntN(500))
		gone := k.rng.IntN(k.l.Len())
		for range gone {
			k.l.evictFirst()
		}
		k.saved = nil
		if saved, err := k.l.Save(writerFunc(func(b []byte) { k.saved = append(k.saved, b...) })); !saved || err != nil {
			t.Fatal(saved, err)
		}
		cut := gone + k.rng.IntN(len(k.all)-gone+1)
		publish(k.rng.IntN(300)) // after the save
		for readOn.floor.Load() < uint64(cut) {
			readOn.evictFirst()
		}
		restarted := NewLog(k.b)
		s, err := statefile.Decode(k.saved)
		if err != nil {
			t.Fatal(err)
		}
		restarted.Recall(s)
		begins := map[int32]int64{}
		for p, next := range k.next {
			begins[p] = next
		}
		for i := len(k.all) - 1; i >= cut; i-- {
			begins[k.all[i].pos.Partition] = k.all[i].pos.Offset
		}
		covered := 0
		for p, begin := range begins {
			for _, known := range s.Partitions {
				if known.Number == p {
					begin = min(begin, known.Next) // nothing lies between
				}
			}
			covered += restarted.Begin(at(k.epoch, p, begin)).Covered
		}
		if covered != len(k.next) {
			t.Fatalf("seed %d: %d partitions go on", seed, covered)
		}
		for _, p := range k.all[cut:] {
			r := p.r
			restarted.Append(NewEntry(p.pos, &r, k.now, 0), 0)
		}
		applied := map[int32]bus.Position{}
		for p, read := range k.read {
			applied[p] = at(k.epoch, p, read)
		}
		for range 300 {
			w, seen := k.client()
			got, whole := restarted.Since(w, seen, applied)
			want, wantWhole := readOn.Since(w, seen, applied)
			if whole != wantWhole || texts(got) != texts(want) {
				t.Fatalf("seed %d: %q from %v: %t %s, of the one that read on %t %s", seed, w.Chain, seen, whole, texts(got), wantWhole, texts(want))
			}
			if asked++; !whole {
				gaps++
			}
		}
		(&book{t: t, Log: restarted}).audit()
	}
	t.Logf("%d resumes, %d gaps", asked, gaps)
	if gaps < asked/20 || gaps > asked*19/20 {
		t.Error("that proves little")
	}
}

// Who asks while floors come back is told of a gap, or the truth.
func TestAskedWhileFloorsComeBack(t *testing.T) {
	const destinations, begin = 30_000, 40_000
	k := newBook(t, Bounds{time.Hour, 64 << 20}, place(0, 0))
	for n := range begin {
		k.add(0, bus.Record{Destination: fmt.Sprint("/topic/", n%destinations)})
	}
	k.EvictOlder(int64(time.Hour) * 1000)
	var file bytes.Buffer
	if saved, err := k.Save(&file); !saved || err != nil {
		t.Fatal(saved, err)
	}
	s, err := statefile.Decode(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	l := NewLog(k.bounds)
	l.Recall(s)
	var began, over sync.WaitGroup
	stop := make(chan struct{})
	asked := [2]int{}
	began.Add(1)
	over.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		applied := map[int32]bus.Position{0: place(0, begin-1)}
		for first := true; ; first = false {
			n := rng.IntN(destinations)
			newest := int64(n)
			if n < begin-destinations {
				newest += destinations
			}
			seen := newest - 1 + rng.Int64N(2)
			search := NewResume([]bus.Position{place(0, seen)})
			_, answer := l.Resume(Wanted{Chain: fmt.Sprint("/topic/", n)}, &search, applied, 0)
			whole := answer == Whole
			if whole && seen < newest {
				t.Errorf("who has seen %d is told that nothing is missing: %d is", seen, newest)
			}
			if whole {
				asked[1]++
			} else {
				asked[0]++
			}
			if first {
				began.Done()
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	began.Wait()
	r := l.Begin(place(0, begin))
	close(stop)
	over.Wait()
	if r.Floors != destinations || r.Covered != 1 {
		t.Errorf("%+v", r)
	}
	t.Logf("while %d floors came back %d were told of a gap, %d that nothing is missing", r.Floors, asked[0], asked[1])
	if _, whole := l.Since(Wanted{Chain: "/topic/20000"}, []bus.Position{place(0, 20_000)}, map[int32]bus.Position{0: place(0, begin-1)}); !whole {
		t.Error("who was quiet is told of a gap")
	}
}
