package load

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/result"
)

func TestStagesInAFile(t *testing.T) {
	s, f := NewSpec()
	scenario, err := readText(f, "a.yaml", []byte(`scenario: stages
stages:
  - {duration: 5m, connections: 100_000}
  - duration: 10m
    pushes_per_second: 2000
  - duration: 1m
`))
	if err != nil || scenario != "stages" || len(s.Stages) != 3 {
		t.Fatalf("%v %s %v", err, scenario, s.Stages)
	}
	const want = "duration=5m0s connections=100000; duration=10m0s pushes_per_second=2000; duration=1m0s"
	if got := Settings(f)["stages"]; got != want {
		t.Errorf("the settings say %q, want %q", got, want)
	}
	s.Scenario = scenario
	if err := s.check(); err != nil || s.Connections != 100_000 {
		t.Error(err, s.Connections)
	}
	connections, pushes := profiles(s.Stages)
	for at, want := range map[time.Duration][2]float64{150 * time.Second: {50_000, 0}, 10 * time.Minute: {100_000, 1000}, time.Hour: {100_000, 2000}} {
		if n, rate := connections.Value(at), pushes.Value(at); n != want[0] || rate != want[1] {
			t.Errorf("after %v: %v connections, %v pushes, want %v", at, n, rate, want)
		}
	}
}

func TestStagesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"{duration: 5x}":                               `a.yaml:2: stages[0]: found "duration=5x", allowed: duration as in`,
		"{connections: 5}":                             `found "connections=5", allowed: duration=5m, and`,
		"{duration: 5m, connections: -1}":              `found "-1", allowed: connections from 0 to 10000000`,
		"{duration: 5m, connections: many}":            `found "connections=many", allowed: connections from 0`,
		"{duration: 5m, pushes_per_second: NaN}":       `found "NaN", allowed: pushes_per_second from 0`,
		"{duration: 5m, rate: 7}":                      `found "rate=7", allowed: duration=5m, and`,
		"{duration: -5m, connections: 5}":              `allowed: duration as in`,
		"seven":                                        `stages[0]: found String, allowed: a mapping with duration=5m`,
		"{duration: 5m, connections: [1, 2], rate: 1}": `stages[0]: found`,
	} {
		_, f := NewSpec()
		if _, err := readText(f, "a.yaml", []byte("stages:\n  - "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, c := range []struct {
		scenario, want string
		flags          []string
	}{
		{"stages", "stages: found 0, allowed: 1 to 100", nil},
		{"connect", "stages: found with the scenario connect", []string{"--stages=duration=1s connections=1"}},
		{"stages", "stages: found no connections", []string{"--stages=duration=1s pushes_per_second=1"}},
		{"stages", "needs --receipts", []string{"--stages=duration=1s connections=1", "--protocol=websocket"}},
	} {
		s, f := NewSpec()
		if err := f.Parse(c.flags); err != nil {
			t.Fatal(err)
		}
		s.Scenario = c.scenario
		if err := s.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.flags, err, c.want)
		}
	}
}

// Connections and pushes rise, stay and fall; nothing is lost for those who stay.
func TestStages(t *testing.T) {
	s := parse(t, "stages", append(node(t), "--stages=duration=1s connections=60", "--stages=duration=1s pushes_per_second=100", "--stages=duration=1s connections=20")...)
	r, err := Run(bounded(t), s, Output{})
	if err != nil || !r.Verdict.Good {
		t.Fatalf("%v %+v", err, r.Verdict)
	}
	var names []string
	var all result.Totals
	for _, p := range r.Phases {
		names = append(names, p.Name)
	}
	all = r.Total()
	if got := strings.Join(names, ", "); got != "stage 1, stage 2, stage 3, back, settle" {
		t.Error(got)
	}
	if all.Opened != 60 || all.Dropped != 40 || all.Pushed != 150 || all.Delivered < 20*150 || all.Delivered > 60*150 {
		t.Errorf("%+v", all)
	}
}

// Several generators share the connections of each stage, and number the same messages.
func TestStagesOfSeveralGenerators(t *testing.T) {
	r, all := parts(t, "stages", append(node(t), "--stages=duration=500ms connections=61", "--stages=duration=1s pushes_per_second=100", "--stages=duration=500ms connections=0 pushes_per_second=0")...)
	if total := r.Total(); !r.Verdict.Good || total.Opened != 61 || total.Dropped != 61 || total.Pushed != 75 {
		t.Errorf("%+v %+v", r.Verdict, total)
	}
	for i, p := range all {
		if first := p.Phases[0]; first.Seconds < (ahead + 500*time.Millisecond).Seconds() {
			t.Errorf("generator %d: the first stage's connections came before its pushes: it took %v s", i, first.Seconds)
		}
	}
}

// A stage that is shorter than the generator's turn counts too. What was still opening when the last stage ended is dropped all the
// same, and the last line of progress says how it ended.
func TestStagesEndWhileSomeOpen(t *testing.T) {
	var shown bytes.Buffer
	s := parse(t, "stages", append(node(t), "--opening=2", "--threads=2", "--stages=duration=1ms connections=400", "--stages=duration=1ms connections=100")...)
	r, err := Run(bounded(t), s, Output{Writer: &shown})
	if err != nil || !r.Verdict.Good {
		t.Fatalf("%v %+v", err, r.Verdict)
	}
	all := r.Total()
	if last := r.Series[len(r.Series)-1]; all.Opened != 400 || all.Dropped != 300 || last.Connected != 100 {
		t.Errorf("%d opened, %d dropped, %d open at the end", all.Opened, all.Dropped, last.Connected)
	}
	if !strings.Contains(shown.String(), "settle    100 open") {
		t.Error(shown.String())
	}
}
