package kafka

import (
	"testing"
	"time"
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
				if got := l.look(start.Add(one.at), one.position, one.end); got != one.late {
					t.Errorf("look %d: %s, want %s", i, got, one.late)
				}
			}
		})
	}
}

func TestPeers(t *testing.T) {
	now := time.Unix(1, 0)
	up := beat{State: stateUp, Ready: true, Late: 400}
	var p peers
	is := func(step string, d time.Duration, at time.Time, want string) {
		t.Helper()
		if node, ok := p.better(d, at); node != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", step, node, want)
		}
	}
	is("nobody", time.Hour, now, "")
	p.heard("b", up, now)
	is("less late", 401*time.Millisecond, now, "b")
	is("as late", 400*time.Millisecond, now, "")
	p.heard("b", beat{State: stateUp, Late: 0}, now)
	is("not ready", time.Hour, now, "")
	p.heard("b", up, now)
	p.heard("b", beat{State: stateLeft, Ready: true}, now)
	is("left", time.Hour, now, "")
	p.heard("b", up, now)
	is("heard not long ago", time.Hour, now.Add(silence-1), "b")
	is("silent", time.Hour, now.Add(silence), "")
	is("forgotten", time.Hour, now, "")
}

// A node that is late in reading says so while another one is not, and only then: what strikes all is no reason to send
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
	// late waits until a node reads so late that it would say so if another one did not.
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
	behind("at the start", false, false)
	full(sinks[0], true)
	send()
	behind("the first is late", true, false)
	if err := nodes[0].Ready(); err != nil {
		t.Errorf("it serves those who come all the same: %v", err)
	}
	full(sinks[1], true)
	send()
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
