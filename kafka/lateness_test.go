package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"stentor/engine/directory"
)

func TestLateness(t *testing.T) {
	type look struct {
		at            time.Duration
		position, end int64
		late          time.Duration
	}
	const s = time.Second
	for name, looks := range map[string][]look{
		"always at the end":             {{0, 5, 5, 0}, {1 * s, 9, 9, 0}, {2 * s, 9, 9, 0}},
		"a little behind each time":     {{0, 4, 5, 0}, {1 * s, 8, 9, 0}, {2 * s, 12, 13, 0}},
		"stands":                        {{0, 5, 5, 0}, {1 * s, 5, 9, 0}, {2 * s, 5, 12, 1 * s}, {30 * s, 5, 99, 29 * s}},
		"stands, then comes to the end": {{0, 5, 9, 0}, {7 * s, 5, 12, 7 * s}, {8 * s, 12, 12, 0}},
		"three seconds late, steadily": {
			{0, 0, 300, 0}, {1 * s, 100, 400, 1 * s}, {2 * s, 200, 500, 2 * s}, {3 * s, 300, 600, 2 * s}, {4 * s, 400, 700, 2 * s},
			{5 * s, 500, 800, 2 * s}, {6 * s, 600, 900, 2 * s}, {7 * s, 700, 1000, 2 * s},
		},
		"falls behind": {{0, 0, 100, 0}, {1 * s, 50, 200, 1 * s}, {2 * s, 100, 300, 1 * s}, {3 * s, 150, 400, 1 * s}, {5 * s, 250, 600, 3 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			var l lateness
			start := time.Unix(1, 0)
			for i, one := range looks {
				if got := l.look(start.Add(one.at), one.position, partitionEnd{one.end, start.Add(one.at)}); got != one.late {
					t.Errorf("look %d: %s, want %s", i, got, one.late)
				}
			}
		})
	}
}

// A partition whose end is unknown counts as late.
func TestLatenessOfTheUnknown(t *testing.T) {
	const s = time.Second
	start := time.Unix(1, 0)
	var l lateness
	for i, one := range []struct {
		at       time.Duration
		position int64
		end      int64
		asked    time.Duration // when that was the end
		late     time.Duration
	}{
		{0, 5, 5, -time.Hour, 0}, {1 * s, 5, 5, 0, 0}, {2 * s, 5, 5, 1 * s, 0},
		{4 * s, 5, 5, 1 * s, 0}, {5 * s, 5, 5, 1 * s, 4 * s}, {9 * s, 5, 5, 1 * s, 8 * s}, // no answer
		{10 * s, 6, 5, 1 * s, 0}, {13 * s, 6, 5, 1 * s, 0}, {14 * s, 6, 5, 1 * s, 4 * s}, // a record came
		{15 * s, 6, 9, 14 * s, 0}, {20 * s, 6, 9, 14 * s, 6 * s}, // an answer, with more to read
		{21 * s, 9, 9, 21 * s, 0},
	} {
		if got := l.look(start.Add(one.at), one.position, partitionEnd{one.end, start.Add(one.asked)}); got != one.late {
			t.Errorf("look %d: %s, want %s", i, got, one.late)
		}
	}
}

// A node that reads late says so only while another one does not read late: trouble of all nodes is no reason to send
// clients away.
func TestBehind(t *testing.T) {
	mc := mock(t, 1)
	sinks := []*sink{{}, {}}
	nodes := make([]*Bus, len(sinks))
	for i, s := range sinks {
		o := testOptions(mc.BootstrapServers(), s)
		o.Node, o.Lateness = []string{"n1", "n2"}[i], time.Second
		nodes[i] = open(t, o)
	}
	for _, b := range nodes {
		ready(t, b)
	}
	behind := func(step string, first, second bool) {
		t.Helper()
		until(t, step, func() bool { return (nodes[0].Behind() != nil) == first && (nodes[1].Behind() != nil) == second })
	}
	// late waits until a node is so late that it would say so if another one were not.
	late := func(b *Bus) {
		t.Helper()
		until(t, "late", func() bool { return b.reader.lateness() > 2*time.Second })
	}
	full := func(s *sink, yes bool) { s.set(func() { s.full = map[string]bool{testProject: yes} }) }
	n := 0
	send := func() {
		t.Helper()
		n++
		if _, err := push(nodes[0], "/topic/shop/a", string(rune('a'+n))); err != nil {
			t.Fatal(err)
		}
	}
	// pause sends a record at which a node stops, and more records after it.
	pause := func(b *Bus) {
		t.Helper()
		send()
		until(t, "paused", func() bool { return b.reader.count(testProject).paused.Load() == 1 })
		send()
	}
	behind("at the start", false, false)
	full(sinks[0], true)
	pause(nodes[0])
	behind("the first is late", true, false)
	if err := nodes[0].Ready(); err != nil {
		t.Errorf("it serves those who come all the same: %v", err)
	}
	full(sinks[1], true)
	pause(nodes[1])
	late(nodes[1])
	behind("both are late", false, false)
	full(sinks[0], false)
	behind("the second is late", false, true)
	full(sinks[1], false)
	behind("neither is late", false, false)
	for _, s := range sinks {
		until(t, "all pushes", func() bool { return s.count() == n })
	}
}

// When the brokers come back, nodes do not mistake each other's old beats for new ones.
func TestBehindAfterOutage(t *testing.T) {
	mc := mock(t, 1)
	var nodes []*Bus
	for _, id := range []string{"n1", "n2"} {
		o := testOptions(mc.BootstrapServers(), &sink{})
		o.Node, o.Lateness = id, time.Second
		nodes = append(nodes, open(t, o))
	}
	until(t, "ready, and known to each other", func() bool {
		for _, b := range nodes {
			if _, known := b.opts.Directory.Better(time.Hour, silence, time.Now()); !known || b.Ready() != nil {
				return false
			}
		}
		return true
	})
	all := func(is func(*Bus) bool) bool { return is(nodes[0]) && is(nodes[1]) }
	behind := func(b *Bus) bool { return b.Behind() != nil }
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	until(t, "both are late", func() bool {
		if all(behind) {
			t.Fatal("both nodes say that they are late, while the brokers are gone")
		}
		return all(func(b *Bus) bool { return b.reader.lateness() > 2*time.Second })
	})
	if err := mc.SetBrokerUp(1); err != nil {
		t.Fatal(err)
	}
	until(t, "both are on time", func() bool {
		if all(behind) {
			t.Fatal("both nodes say that they are late, and nothing but the brokers was")
		}
		return all(func(b *Bus) bool { return b.reader.lateness() == 0 })
	})
}

// speaker is a node in a simulation of the nodes' topic.
type speaker struct {
	*Bus
	number int
	queued []spoken // beats that Kafka does not have yet
	read   int      // how much of the topic it has read
	noted  bool     // it has noticed what was measured last
}

type spoken struct {
	by    *speaker
	at    time.Time
	value []byte
}

func newSpeaker(number int) *speaker {
	id := fmt.Sprint("n", number)
	o := Options{Node: id, Lateness: time.Second, Directory: directory.New(directory.Options{Self: id}), Log: slog.New(slog.DiscardHandler)}
	return &speaker{Bus: &Bus{opts: o, reader: &reader{}}, number: number}
}

func (s *speaker) measures(late time.Duration) {
	s.reader.late.Store(int64(late))
	s.noted = false
}

func (s *speaker) notices(now time.Time) {
	s.noticeLate(now)
	s.noted = true
}

func (s *speaker) beats(now time.Time) {
	ready, late := s.status()
	b := directory.Beat{
		Instance: s.opts.Node, State: directory.Up, First: int64(s.number), Sent: now.UnixMilli(), Ready: ready, Late: late.Milliseconds(), At: now.UnixMilli(),
	}
	s.queued = append(s.queued, spoken{s, now, directory.Encode(b, s.opts.Node, nil)})
}

// writes returns the topic with the first beat of the queue.
func (s *speaker) writes(topic []spoken) []spoken {
	if len(s.queued) > 0 {
		topic, s.queued = append(topic, s.queued[0]), s.queued[1:]
	}
	return topic
}

func (s *speaker) reads(topic []spoken, now time.Time) {
	if s.read == len(topic) {
		return
	}
	one := topic[s.read]
	s.read++
	s.opts.Directory.Hear(one.by.opts.Node, one.value, true, now)
	if one.by == s {
		s.opts.Directory.Proven(one.at)
	}
}

// When the brokers go and come back, what a node said before it noticed comes late, or is the last that is known of it.
func TestBehindByOldWords(t *testing.T) {
	a, b := newSpeaker(1), newSpeaker(2)
	var topic []spoken
	now := time.Unix(1, 0)
	step := func(after time.Duration, do ...func()) {
		now = now.Add(after)
		for _, one := range do {
			one()
		}
		for _, s := range []*speaker{a, b} {
			for range topic {
				s.reads(topic, now)
			}
			s.notices(now)
		}
	}
	is := func(what string, first, second bool) {
		t.Helper()
		if (a.Behind() != nil) != first || (b.Behind() != nil) != second {
			t.Errorf("%s: %v, %v", what, a.Behind(), b.Behind())
		}
	}
	beat := func(s *speaker) func() { return func() { s.beats(now) } }
	write := func(s *speaker) func() { return func() { topic = s.writes(topic) } }
	measure := func(s *speaker, late time.Duration) func() { return func() { s.measures(late) } }
	const ms = time.Millisecond
	for range 3 {
		step(time.Second, beat(a), write(a), beat(b), write(b))
	}
	is("on time", false, false)
	step(2900*ms, beat(a), beat(b)) // the brokers are gone
	step(150*ms, measure(a, 3050*ms))
	is("the first has noticed that it is late", false, false)
	step(250*ms, measure(b, 3300*ms))
	step(20*ms, beat(b))
	is("both have", false, false)
	step(50*ms, write(b), write(b), write(a)) // they are back, in this order
	is("the first said before that it is not late", false, true)
	step(50*ms, beat(a), write(a))
	is("it is, too", false, false)
	step(50*ms, measure(a, 0), beat(a), write(a))
	is("it no longer is", false, true)
	step(50*ms, measure(b, 0), beat(b), write(b))
	is("on time again", false, false)
}

// A node that is on time again, and has not noticed it, does not say so: another one would send its clients there.
func TestSaysThatItIsBehind(t *testing.T) {
	s, why := newSpeaker(1), errors.New("by the test")
	s.lagging.Store(&why)
	if _, late := s.status(); late < s.opts.Lateness {
		t.Errorf("it says that it is %s late", late)
	}
	s.measures(3 * time.Second)
	if _, late := s.status(); late != 3*time.Second {
		t.Errorf("it says that it is %s late", late)
	}
	s.measures(0)
	s.notices(time.Now())
	if _, late := s.status(); late != 0 {
		t.Errorf("on time, it says that it is %s late", late)
	}
}

// In whatever order things happen, there is a node to go to.
func TestNeverAllBehind(t *testing.T) {
	some := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		var nodes []*speaker
		for i := range 2 + seed%2 {
			nodes = append(nodes, newSpeaker(int(i)))
		}
		var topic []spoken
		now := time.Unix(1, 0)
		for range 200 {
			now = now.Add(time.Duration(1+random.IntN(200)) * time.Millisecond)
			switch s := nodes[random.IntN(len(nodes))]; random.IntN(6) {
			case 0:
				if s.noted { // it measures once a second, and notices 50 times
					s.measures(time.Duration(random.IntN(4)) * time.Second)
				}
			case 1:
				s.beats(now)
			case 2:
				topic = s.writes(topic)
			case 3, 4:
				s.reads(topic, now)
			case 5:
				s.notices(now)
			}
			behind := 0
			for _, s := range nodes {
				if s.Behind() != nil {
					behind++
				}
			}
			if behind == len(nodes) {
				t.Fatalf("seed %d: all %d", seed, behind)
			}
			some += behind
		}
	}
	if some == 0 {
		t.Error("no node was ever behind")
	}
}

// A project that the node does not serve, or whose topic no longer exists, makes no node late.
func TestLatenessIsOfWhatCanBeRead(t *testing.T) {
	r := &reader{parts: map[partitionKey]*partition{}, ends: ends{make(chan []*partition)}}
	p := newPartition(both[0], 0, 7, 0, 10)
	r.parts[p.key()] = p
	now := time.Unix(1, 0)
	r.measure(now)
	for _, c := range []struct {
		change func()
		late   time.Duration
	}{
		{func() {}, 0},
		{func() { p.life.served.Store(true) }, 2 * time.Second},
		{func() { p.life.note(errNotFound) }, 0},
		{func() { p.life.note(nil) }, 4 * time.Second},
	} {
		now = now.Add(time.Second)
		c.change()
		if r.measure(now); r.lateness() != c.late {
			t.Errorf("%s late, want %s", r.lateness(), c.late)
		}
	}
}
