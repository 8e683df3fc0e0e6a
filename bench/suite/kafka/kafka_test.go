package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/bench/gen/pace"
	"stentor/bench/internal/fake"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
)

// TestMain turns the test binary into the processes that a run starts: a fake server, and the bare loop.
func TestMain(m *testing.M) { fake.Main(m) }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func testOptions(m *fake.Topics) Options {
	return Options{
		Options: suite.Options{
			Stentor:     os.Args[0],
			Baseline:    func() *exec.Cmd { return exec.Command(os.Args[0], "baseline") },
			Connections: 50, Progress: &bytes.Buffer{},
		},
		Brokers: []string{m.BootstrapServers()}, Users: 50,
	}
}

func testPlan() plan {
	const ms = time.Millisecond
	return plan{
		warm: 100 * ms, runs: 2, latency: 300 * ms, unicast: 200 * ms, history: 1500, starts: 2, resumes: 2, missed: 40, before: 300 * ms, settle: 10 * ms, patience: 20 * time.Second,
	}
}

func TestRun(t *testing.T) {
	m := fake.NewTopics(t)
	o := testOptions(m)
	r, err := run(bounded(t), o, testPlan(), m)
	if err != nil {
		t.Fatal(err, o.Progress)
	}
	if len(r.Results) != 8 || r.Server != "fake 1.0" || len(m.Created) != len(Measurements) {
		t.Errorf("%+v", r)
	}
	for _, x := range r.Results {
		switch {
		case x.Unit == "" && !(x.Value == 0 && x.Pass):
			t.Errorf("something was lost: %+v", x)
		case x.Unit != "" && x.Value <= 0 && !strings.Contains(x.Name, "lag"):
			t.Errorf("%+v", x)
		}
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Error(err)
	}
	if b, err := json.Marshal(r); err != nil || !json.Valid(b) {
		t.Error(err)
	}
}

// A server that leaves out one record is found out, by number and by count.
func TestLostUnicast(t *testing.T) {
	t.Parallel() // it waits most of its time
	m := fake.NewTopics(t)
	o := testOptions(m)
	b, d := testBench(t, m, o)
	b.plan.warm, b.plan.patience = 0, 2*time.Second
	skip := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &d.kafka.Topic, Partition: 0}, Value: []byte(fake.Skip)}
	if err := d.back.client.Produce(skip, nil); err != nil {
		t.Fatal(err)
	}
	results, err := b.unicast(bounded(t), d)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Value != 1 || results[0].Pass {
		t.Errorf("%+v", results[0])
	}
}

func testBench(t *testing.T, m *fake.Topics, o Options) (*bench, *bed) {
	t.Helper()
	r, err := suite.Begin(bounded(t), o.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	b := &bench{Options: o, Run: r, plan: testPlan(), name: "test", topics: m}
	d := &bed{kafka: server.Kafka{Node: "test", Brokers: o.Brokers, Topic: "test", NodesTopic: "nodes"}}
	if err := m.Create(bounded(t), "test"); err != nil {
		t.Fatal(err)
	}
	if d.back, err = newProducer(o.Brokers, "test", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.back.close)
	return b, d
}

// A node whose history does not hold what was produced must not pass for one that is ready.
func TestShortHistory(t *testing.T) {
	t.Parallel()
	m := fake.NewTopics(t)
	b, d := testBench(t, m, testOptions(m))
	if err := d.back.produce(bounded(t), record{destination: server.Topic, seq: 1, due: time.Now(), size: 100}); err != nil {
		t.Fatal(err)
	}
	_, err := b.start(bounded(t), d)
	if err == nil || !strings.Contains(err.Error(), "1501 of 1500 records") {
		t.Errorf("error %v", err)
	}
}

// What could not go out in time goes out late, each with the time at which it was due.
func TestPaced(t *testing.T) {
	var dues []time.Time
	n, err := paced(bounded(t), pace.Rate(200), 200*time.Millisecond, func(due time.Time) error {
		if len(dues) == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		dues = append(dues, due)
		return nil
	})
	if err != nil || n != 40 || len(dues) != 40 {
		t.Fatalf("%d, %d, %v", n, len(dues), err)
	}
	for i, due := range dues {
		if got := due.Sub(dues[0]); got != pace.Rate(200).At(i) {
			t.Errorf("event %d is due after %v", i, got)
		}
	}
}

func TestProducerFails(t *testing.T) {
	m := fake.NewTopics(t)
	p, err := newProducer([]string{m.BootstrapServers()}, "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.fail(ck.NewError(ck.ErrMsgTimedOut, "too late", false))
	if err := p.produce(bounded(t), record{destination: server.Topic, due: time.Now()}); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	m := fake.NewTopics(t)
	for name, change := range map[string]func(*Options){
		"measurement": func(o *Options) { o.Only = []string{"latency", "speed"} },
		"too few":     func(o *Options) { o.Users = 3 },
		"too many":    func(o *Options) { o.Connections = 1 << 29 },
		"no binary":   func(o *Options) { o.Stentor = "/nowhere/stentor" },
		"no brokers":  func(o *Options) { o.Brokers = nil },
	} {
		o := testOptions(m)
		change(&o)
		if err := o.check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
