package history

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/stomp"
)

// reader is a cursor, and the list that it stands for.
type reader struct {
	name    string
	wanted  Wanted
	cursor  Cursor
	left    []*Entry
	latest  bool // all but the newest is to go
	session string
}

// library is a Log with readers that come, read on and fall behind, while it evicts, steps back and begins again.
type library struct {
	*book
	rng     *rand.Rand
	epoch   uint64
	life    []*Entry // of this epoch, as far as the bus has not taken it back
	back    map[int32]int64
	readers []*reader
	whole   int
	gaps    int
	lost    int
}

var (
	modelTopics = []string{"/topic/a", "/topic/b", "/topic/c/d", "/topic/c/e"}
	modelUsers  = []string{"ann", "bob"}
)

func startsWith(prefix string) matcher {
	return func(d string) bool { return strings.HasPrefix(d, prefix) }
}

func (k *library) begin() {
	k.next, k.life, k.back = map[int32]int64{}, nil, map[int32]int64{}
	for p := range int32(1 + k.rng.IntN(3)) {
		k.beginAt(p, k.rng.Int64N(3)*k.rng.Int64N(20))
	}
}

func (k *library) beginAt(partition int32, offset int64) {
	k.Begin(at(k.epoch, partition, offset))
	k.next[partition] = offset
}

func (k *library) publish() {
	r := bus.Record{Destination: modelTopics[k.rng.IntN(len(modelTopics))], Body: make([]byte, k.rng.IntN(300))}
	switch k.rng.IntN(4) {
	case 0:
		r.Destination, r.User = "/queue/x", modelUsers[k.rng.IntN(2)]
	case 1:
		r.Destination, r.Session = "/queue/x", "s"
	}
	partition := int32(k.rng.IntN(len(k.next)))
	e := NewEntry(at(k.epoch, partition, k.next[partition]), &r, int64(k.Log.next)*int64(time.Second), 0)
	k.next[partition] += 1 + k.rng.Int64N(2)*k.rng.Int64N(3) // some are another's, or markers
	if _, taken := k.Append(e, 0); !taken {
		k.t.Fatalf("%v was not taken", e.Position)
	}
	k.life = append(k.life, e)
	for _, r := range k.readers { // a user's subscription that is behind has what comes, too, but what a panic takes
		if k.rng.IntN(20) == 0 {
			continue
		}
		if user := e.User != "" && r.wanted.Chain == UserKey(e.User, e.Destination); user || e.Session != "" && e.Session == r.session {
			k.Extend(&r.cursor, e)
			r.left = append(r.left, e)
		}
	}
}

func (w *Wanted) has(e *Entry) bool {
	switch {
	case e.Session != "":
		return false
	case e.User != "":
		return w.Chain == UserKey(e.User, e.Destination)
	case w.Match != nil:
		return w.Match.Match(e.Destination)
	}
	return w.Chain == e.Destination
}

// come has a new reader resume from some positions, and checks the answer against all that was ever published.
func (k *library) come() {
	r := &reader{name: fmt.Sprint("reader ", k.whole+k.gaps)}
	switch k.rng.IntN(3) {
	case 0:
		r.wanted.Chain = modelTopics[k.rng.IntN(len(modelTopics))]
	case 1:
		r.wanted.Chain, r.session = UserKey(modelUsers[k.rng.IntN(2)], "/queue/x"), "s"
	default:
		r.wanted.Match = startsWith([]string{"/topic/", "/topic/c", "/topic/a"}[k.rng.IntN(3)])
	}
	var seen []bus.Position
	named := map[int32]int64{}
	for p, next := range k.next {
		if k.rng.IntN(5) > 0 {
			named[p] = max(-1, next-1-k.rng.Int64N(10)*k.rng.Int64N(10))
			seen = append(seen, at(k.epoch, p, named[p]))
		}
	}
	applied := map[int32]bus.Position{}
	for p, next := range k.next {
		applied[p] = at(k.epoch, p, next-1)
	}
	search := NewResume(seen)
	answer := Unsure
	for answer == Unsure {
		r.cursor, answer = k.Resume(r.wanted, &search, applied, k.Log.next)
	}
	must, may := false, false
	for p := range k.next {
		known := k.partitions[p]
		at, ok := named[p]
		if !ok {
			at = -1
		}
		must = must || !ok && known.begin.Offset > 0 && r.wanted.mayBeIn(p, len(k.next)) || ok && (at < known.begin.Offset-1 || known.former >= 0 && at <= known.former)
		// A pattern's partition that is not named, floors that were forgotten, pushes that the bus took back.
		may = may || !ok && r.wanted.Match != nil && k.next[p] > known.begin.Offset || r.wanted.lostIn(known, p, len(k.next)) > at || !ok && known.former >= 0
	}
	for _, e := range k.life {
		if offset, ok := named[e.Position.Partition]; r.wanted.has(e) && (!ok || e.Position.Offset > offset) {
			must = must || !ok || e.Evicted()
			r.left = append(r.left, e)
		}
	}
	if answer == Gap && !must && !may || answer == Whole && must {
		k.t.Fatalf("%s of %q from %v: answer %d, but a gap must be %v, may be %v", r.name, r.wanted.Chain, seen, answer, must, may)
	}
	if answer == Gap {
		k.gaps++
		return
	}
	k.whole++
	if n := r.cursor.Waiting(); r.wanted.Match == nil && n != len(r.left) {
		k.t.Fatalf("%s: %d wait, %d are missed", r.name, n, len(r.left))
	}
	k.readers = append(k.readers, r)
}

// fall takes what was evicted out of a reader's list.
func (k *library) fall(r *reader) {
	gone := 0
	for gone < len(r.left) && r.left[gone].Evicted() {
		gone++
	}
	fallen := k.Fallen(&r.cursor, r.wanted.Match)
	if gone > 0 && !fallen || fallen && gone == 0 && r.wanted.Match == nil {
		k.t.Fatalf("%s: %d are gone, fallen %v", r.name, gone, fallen)
	}
	if !fallen {
		return
	}
	r.left = r.left[gone:]
	n := k.Skip(&r.cursor, r.wanted.Match)
	if n != gone && (r.wanted.Match == nil || n == 0) {
		k.t.Fatalf("%s: %d are gone, %d were told", r.name, gone, n)
	}
	k.lost += gone
}

// step makes a reader take what one write carries.
func (k *library) step(r *reader) {
	k.fall(r)
	if !r.latest && k.rng.IntN(10) == 0 {
		r.latest = true
		n := k.Latest(&r.cursor, false)
		if r.wanted.Match == nil {
			if n != max(0, len(r.left)-1) {
				k.t.Fatalf("%s: %d dropped of %d", r.name, n, len(r.left))
			}
			r.left = r.left[n:]
			r.latest = false
		}
	}
	b := Budget{Pushes: 1 + k.rng.IntN(5), Bytes: 200 + k.rng.IntN(2000), Lines: 20}
	got, dropped := k.Read(&r.cursor, r.wanted.Match, nil, b)
	if len(r.left) < dropped+len(got) {
		k.t.Fatalf("%s: %d dropped and %d given of %d", r.name, dropped, len(got), len(r.left))
	}
	r.left = r.left[dropped:]
	size := 0
	for i, e := range got {
		if e != r.left[i] {
			k.t.Fatalf("%s: given %v instead of %v", r.name, e.Position, r.left[i].Position)
		}
		size += e.Message.Len(stomp.V12, 20)
	}
	if len(got) > b.Pushes || len(got) > 1 && size > b.Bytes {
		k.t.Fatalf("%s: %d pushes of %d bytes in %+v", r.name, len(got), size, b)
	}
	r.left = r.left[len(got):]
}

func TestCursorsAreLists(t *testing.T) {
	whole, gaps, lost, done := 0, 0, 0, 0
	for seed := range uint64(200) {
		k := &library{rng: rand.New(rand.NewPCG(seed, 3)), epoch: 1}
		k.book = &book{t: t, Log: NewLog(Bounds{time.Duration(20+k.rng.IntN(400)) * time.Second, 3000 + k.rng.Int64N(60_000)})}
		k.begin()
		for range 600 {
			switch n := k.rng.IntN(200); {
			case n == 0: // a step back
				k.stepBack()
			case n == 1:
				if k.epoch++; k.rng.IntN(3) == 0 {
					k.begin()
				} else {
					k.epoch--
				}
			case n < 4: // a gap
				p := int32(k.rng.IntN(len(k.next)))
				k.beginAt(p, k.next[p]+k.rng.Int64N(4))
			case n < 10:
				k.EvictOlder(int64(k.Log.next) * int64(time.Second))
			case n < 30:
				k.come()
			case n < 110 && len(k.readers) > 0:
				i := k.rng.IntN(len(k.readers))
				r := k.readers[i]
				if k.step(r); r.cursor.Empty() {
					if len(r.left) > 0 {
						t.Fatalf("seed %d: %s has nothing more, %d are missing", seed, r.name, len(r.left))
					}
					done++
					k.readers = append(k.readers[:i], k.readers[i+1:]...)
				}
			default:
				k.publish()
			}
		}
		k.audit()
		if whole, gaps, lost = whole+k.whole, gaps+k.gaps, lost+k.lost; t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d resumes, %d gaps, %d pushes lost, %d readers at their end", whole, gaps, lost, done)
}

func (k *library) stepBack() {
	p := int32(k.rng.IntN(len(k.next)))
	if k.next[p] < 10 {
		return
	}
	to := k.next[p] - 1 - k.rng.Int64N(8)
	k.beginAt(p, to)
	var kept []*Entry
	for _, e := range k.life {
		if e.Position.Partition != p || e.Position.Offset < to {
			kept = append(kept, e)
		}
	}
	k.life = kept
}
