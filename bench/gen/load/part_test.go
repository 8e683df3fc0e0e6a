package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/gen/result"
)

// meeting is a Group of several in this process.
type meeting struct {
	count  int
	broken chan struct{} // closed when one of them has ended with an error

	mu  sync.Mutex
	now *gathering
}

type gathering struct {
	names   []string
	highest int64
	all     chan struct{} // closed when all are there
}

func newMeeting(n int) *meeting {
	return &meeting{count: n, broken: make(chan struct{}), now: &gathering{all: make(chan struct{})}}
}

func (m *meeting) Meet(ctx context.Context, name string, value int64) (int64, error) {
	m.mu.Lock()
	g := m.now
	g.names, g.highest = append(g.names, name), max(g.highest, value)
	if len(g.names) == m.count {
		m.now = &gathering{all: make(chan struct{})}
		close(g.all)
	}
	m.mu.Unlock()
	select {
	case <-g.all:
	case <-m.broken:
		return 0, errors.New("another one has ended")
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if slices.ContainsFunc(g.names, func(n string) bool { return n != name }) {
		return 0, fmt.Errorf("they are at %v", g.names)
	}
	return g.highest, nil
}

func TestShares(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 1000, 1001} {
		for count := 1; count <= 7; count++ {
			next, most, least := 0, 0, n
			for i := range count {
				first, share := Part{Index: i, Count: count}.share(n)
				if first != next {
					t.Fatalf("part %d of %d of %d things begins at %d", i, count, n, first)
				}
				next, most, least = first+share, max(most, share), min(least, share)
			}
			if next != n || most-least > 1 {
				t.Errorf("%d parts of %d things: %d are given out, from %d to %d", count, n, next, least, most)
			}
		}
	}
}

func TestCut(t *testing.T) {
	s := parse(t, "soak", "--connections=1001", "--open-rate=100", "--churn-rate=10", "--rate=7", "--kicks=5", "--source=127.0.0.2-127.0.0.11")
	connections, kicks, open, churn := 0, 0, 0.0, 0.0
	var from []string
	for i := range 3 {
		c, first, err := Part{Index: i, Count: 3}.cut(s)
		if err != nil {
			t.Fatal(err)
		}
		if first != connections || c.Rate != 7 {
			t.Errorf("part %d begins at connection %d and knows of a rate of %v", i, first, c.Rate)
		}
		if quiet := slices.Equal(c.Metrics, []string{"none"}); quiet != (i > 0) {
			t.Errorf("part %d looks at %v", i, c.Metrics)
		}
		connections, kicks, open, churn = connections+c.Connections, kicks+c.Kicks, open+c.OpenRate, churn+c.ChurnRate
		from = append(from, c.Sources...)
	}
	if connections != 1001 || kicks != 5 || open < 99.99 || open > 100.01 || churn < 9.99 || churn > 10.01 {
		t.Errorf("all parts have %d connections, %d kicks, open %v and churn %v a second", connections, kicks, open, churn)
	}
	slices.Sort(from)
	if len(from) != 10 || len(slices.Compact(from)) != 10 {
		t.Errorf("sources %v", from)
	}
	if s.Connections != 1001 || s.Metrics != nil {
		t.Error("the whole has changed")
	}
	s.Connections = 2
	if _, _, err := (Part{Index: 0, Count: 3}).cut(s); err == nil {
		t.Error("three generators share two connections")
	}
	s.Connections, s.Sources = 10, []string{"192.0.2.1"} // nobody's
	if _, _, err := (Part{Index: 0, Count: 2}).cut(s); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("a source of another host: %v", err)
	}
}

// parts runs a scenario on three generators in this process, and returns what they found, merged and of each.
func parts(t *testing.T, scenario string, args ...string) (merged *result.Result, all []*result.Result) {
	t.Helper()
	const n = 3
	group, run := newMeeting(n), rand.Uint32()
	all, errs := make([]*result.Result, n), make([]error, n)
	var parts sync.WaitGroup
	var once sync.Once
	for i := range n {
		s := parse(t, scenario, args...)
		parts.Go(func() {
			all[i], errs[i] = RunPart(bounded(t), s, Part{Index: i, Count: n, Run: run, Group: group}, Output{})
			if errs[i] != nil {
				once.Do(func() { close(group.broken) })
			}
		})
	}
	parts.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	merged, err := result.Merge(all)
	if err != nil {
		t.Fatal(err)
	}
	return merged, all
}

// hasty describes connections that a generator dropped before the pushes which they were to miss, "" when there are none.
func hasty(r *result.Result) string {
	for _, p := range r.Phases {
		switch p.Name {
		case "before":
			if p.Seconds < ahead.Seconds() {
				return fmt.Sprintf("all went away %v s after the generators began to number messages", p.Seconds)
			}
		case "churn", "soak":
			for _, s := range r.Series {
				if s.At < p.Begin+ahead.Seconds() && s.Dropped > 0 {
					return fmt.Sprintf("%d went away before second %v; %s began at %v", s.Dropped, s.At, p.Name, p.Begin)
				}
			}
		}
	}
	return ""
}

// Three generators that push to each other's connections must agree on every message, without a word about any.
func TestParts(t *testing.T) {
	at := node(t)
	for _, c := range []struct {
		scenario          string
		args              []string
		opened, delivered int64 // at least
	}{
		{"broadcast", []string{"--rate=50", "--duration=1s"}, 100, 5000},
		{"users", []string{"--rate=100", "--duration=1s"}, 100, 100},
		{"topics", []string{"--destinations=7", "--distribution=zipf", "--rate=50", "--duration=1s"}, 100, 1},
		{"churn", []string{"--rate=50", "--duration=1s", "--churn-rate=60"}, 150, 5000},
		{"churn", []string{"--rate=50", "--duration=1s", "--churn-rate=60", "--resume=false"}, 150, 2000}, // each of 60 misses what comes while it is away
		{"reconnect", []string{"--rate=50", "--duration=900ms", "--hold=300ms"}, 200, 4500},
		{"soak", []string{"--rate=20", "--user-rate=50", "--churn-rate=30", "--duration=1s"}, 120, 2050},
		{"million", []string{"--hold=10ms", "--broadcasts=2", "--sample=20", "--kicks=6", "--rate=100"}, 115, 420},
	} {
		t.Run(c.scenario, func(t *testing.T) {
			m, each := parts(t, c.scenario, append(slices.Clone(at), append(c.args, "--connections=100")...)...)
			all := m.Total()
			if !m.Verdict.Good || all.Opened < c.opened || all.Delivered < c.delivered || len(m.Generators) != 3 {
				t.Errorf("%d opened, %d delivered by %d generators: %v", all.Opened, all.Delivered, len(m.Generators), m.Verdict.Problems)
			}
			for i, r := range each {
				if said := hasty(r); said != "" {
					t.Errorf("generator %d: %s", i, said)
				}
			}
		})
	}
}

// collector is a Sender that keeps the streams of what it is given.
type collector struct {
	mu   sync.Mutex
	seen map[uint32][]uint32 // numbers by stream
}

func (c *collector) Send(_ context.Context, all []push.Message) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all {
		c.seen[all[i].Stream] = append(c.seen[all[i].Stream], all[i].Payload.Seq)
	}
	return len(all), nil
}

func (c *collector) Close() {}

// feeding is a feeder of a run with so many generators.
func feeding(t *testing.T, count, limit int) *feeder {
	t.Helper()
	s := parse(t, "broadcast", "--connections=10")
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	x, err := newStreams(s, false)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Spec: s, part: Part{Count: count, Group: alone{}}, streams: x, pusher: push.New(&collector{seen: map[uint32][]uint32{}}, 4, 1)}
	t.Cleanup(r.pusher.Close)
	return r.newFeeder(pace.Rate(100), limit, r.toAll())
}

// A connection of another generator may open in the very moment in which a feed begins, or goes on after a stall of the host. Nothing
// is pushed before the others have had the time to number it: such a connection would expect what was pushed before it had
// subscribed.
func TestNumberedAhead(t *testing.T) {
	const stall = 5 * time.Second
	for _, c := range []struct {
		count        int
		stall, ahead time.Duration
	}{{1, 0, 0}, {3, 0, ahead}, {1, stall, 0}, {3, stall, ahead / 2}} {
		began := time.Now()
		f := feeding(t, c.count, 1)
		f.start = f.start.Add(-c.stall)
		var queue []waiting
		if _, _, err := f.number(&queue); err != nil {
			t.Fatal(err)
		}
		if len(queue) != 1 || f.streams.newest[0].Load() != 1 {
			t.Fatalf("with %d generators the feeder begins with %d messages numbered", c.count, f.streams.newest[0].Load())
		}
		if at := f.start.Add(queue[0].at); at.Before(began.Add(c.ahead)) {
			t.Errorf("with %d generators, after a stall of %v, the first message is pushed %v after it was numbered", c.count, c.stall, at.Sub(began))
		}
		if due := queue[0].message.Payload.Due; due != f.start.UnixNano() {
			t.Errorf("with %d generators, after a stall of %v: %v late", c.count, c.stall, time.Duration(due-f.start.UnixNano()))
		}
	}
}

// A feeder that is ended when it lags has all messages that were due.
func TestFeederThatLagsEnds(t *testing.T) {
	for count, want := range map[int]int{1: 101, 3: 201} {
		f := feeding(t, count, endless)
		f.start = time.Now().Add(-time.Second)
		if err := f.end(bounded(t)); err != nil || f.limit < want {
			t.Errorf("%v: with %d generators there are %d messages, want %d", err, count, f.limit, want)
		}
	}
	f := feeding(t, 1, 7)
	f.start = time.Now().Add(-time.Second)
	if err := f.end(bounded(t)); err != nil || f.limit != 7 {
		t.Errorf("%v: of 7 messages there are %d", err, f.limit)
	}
}

// However an endless feed is ended, all generators have numbered the same messages, and each was pushed by one of them.
func TestFeedersEndTogether(t *testing.T) {
	const n = 3
	group, sent := newMeeting(n), &collector{seen: map[uint32][]uint32{}}
	streams := make([]*streams, n)
	var parts sync.WaitGroup
	for i := range n {
		s := parse(t, "topics", "--destinations=5", "--connections=10")
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		x, err := newStreams(s, false)
		if err != nil {
			t.Fatal(err)
		}
		streams[i] = x
		r := &run{Spec: s, part: Part{Index: i, Count: n, Group: group}, streams: x, pusher: push.New(sent, 4, 1)}
		t.Cleanup(r.pusher.Close)
		f := r.newFeeder(pace.Rate(500), endless, r.toAll())
		f.start = f.start.Add(time.Duration(i) * 100 * time.Millisecond) // their clocks do not agree
		parts.Go(func() {
			ctx := bounded(t)
			driven := make(chan error, 1)
			go func() { driven <- f.drive(ctx) }()
			for !slices.ContainsFunc(x.topics, func(string) bool { return x.newest[0].Load() > 20 }) {
				if err := pace.Wait(ctx, time.Millisecond); err != nil {
					t.Error(err)
					return
				}
			}
			if err := errors.Join(f.end(ctx), <-driven); err != nil {
				t.Error(err)
			}
			for r.pusher.Counts().Pending > 0 && ctx.Err() == nil {
				_ = pace.Wait(ctx, time.Millisecond)
			}
		})
	}
	parts.Wait()
	for d := range streams[0].topics {
		newest := streams[0].newest[d].Load()
		for i := range n {
			if other := streams[i].newest[d].Load(); other != newest {
				t.Errorf("stream %d ends at %d and at %d", d, newest, other)
			}
		}
		for i, seq := range sent.seen[uint32(d)] {
			if seq != uint32(i+1) {
				t.Fatalf("stream %d: message %d was pushed as number %d", d, seq, i+1)
			}
		}
		if len(sent.seen[uint32(d)]) != int(newest) {
			t.Errorf("stream %d: %d of %d messages were pushed", d, len(sent.seen[uint32(d)]), newest)
		}
	}
}

func TestEncode(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := parse(t, "users", "--ca="+file("ca", "CERT"), "--key="+file("key", "KEY\n"), "--secret-file="+file("secret", "SECRET\n"), "--api-key-file="+file("api", " API\n"),
		"--connections=77", "--duration=90s", "--connect-header=a={{.User}}", "--url=ws://a/x,ws://b/x", "--kafka-property=acks=all")
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), dir) {
		t.Errorf("the name of a file is passed on: %s", text)
	}
	d, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if d.CAText != "CERT" || d.KeyText != "KEY\n" || d.Secret != "SECRET" || strings.TrimSpace(d.APIKey) != "API" || d.Scenario != "users" {
		t.Errorf("%+v", d)
	}
	if d.Connections != 77 || d.Duration != 90*time.Second || d.Headers["a"] != "{{.User}}" || len(d.URLs) != 2 || d.Key+d.CA+d.SecretFile+d.APIKeyFile != "" {
		t.Errorf("%+v", d)
	}
	s.Key = filepath.Join(dir, "absent")
	if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), "--key") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A specification from elsewhere may not do what its flags could not, nor touch this host.
func TestDecodeTrustsNothing(t *testing.T) {
	for text, want := range map[string]string{
		`{"Connections":-1}`:              "connections",
		`{"Connections":100000000}`:       "connections",
		`{"Duration":-5}`:                 "duration",
		`{"Protocol":"gopher"}`:           "protocol",
		`{"Payload":1000000000}`:          "payload",
		`{"Key":"/etc/shadow"}`:           "names a file",
		`{"CA":"/etc/shadow"}`:            "names a file",
		`{"SecretFile":"/etc/shadow"}`:    "names a file",
		`{"APIKeyFile":"/etc/shadow"}`:    "names a file",
		`{"Unheard":1}`:                   "Unheard",
		`{`:                               "specification",
		`{"KafkaProperty":{"x.y":"z"}}`:   "x.y is not allowed",
		`{"KafkaProperty":{"acks":"0"}}`:  "",
		`{"Connections":5,"OpenRate":10}`: "",
	} {
		_, err := Decode([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, property := range []string{"plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.key.location", "sasl.kerberos.keytab"} {
		if _, err := Decode([]byte(`{"KafkaProperty":{"` + property + `":"/tmp/x"}}`)); err == nil {
			t.Errorf("%s is let through", property)
		}
	}
}
