package node

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/internal/fake"
	"stentor/bench/suite"
)

// TestMain turns the test binary into the processes that a run starts: a fake server, and the bare loop.
func TestMain(m *testing.M) { fake.Main(m) }

func testOptions() Options {
	return Options{suite.Options{
		Stentor:     os.Args[0],
		Baseline:    func() *exec.Cmd { return exec.Command(os.Args[0], "baseline") },
		Connections: 100,
		Progress:    &bytes.Buffer{},
	}}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestRun(t *testing.T) {
	const ms = time.Millisecond
	o := testOptions()
	r, err := run(bounded(t), o, plan{pairs: 2, cpu: 20 * ms, bareCPU: 5 * ms, bursts: 2, settle: 10 * ms, work: 200 * ms, slowPairs: 1, slow: 300 * ms, fill: 200 * ms})
	if err != nil {
		t.Fatal(err, o.Progress)
	}
	if len(r.Results) != 9 || r.Server != "fake 1.0" || !strings.Contains(r.Load, "payloads of 200 bytes in frames of 3") {
		t.Errorf("%+v", r)
	}
	for _, x := range r.Results {
		// A hundred connections may cost the fake no page at all; all else has a size.
		if x.Value <= 0 && x.Unit != "bytes" && x.Unit != "KiB" || x.Target <= 0 || len(x.Samples) == 0 {
			t.Errorf("%+v", x)
		}
	}
	if b, err := json.Marshal(r); err != nil || !json.Valid(b) {
		t.Error(err)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || strings.Count(table.String(), "pass")+strings.Count(table.String(), "MISS") != len(r.Results) {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestRunEndsWithTheServer(t *testing.T) {
	o := testOptions()
	r, err := suite.Begin(bounded(t), o.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	b := &bench{Options: o, Run: r, plan: o.plan()}
	err = b.withRig(bounded(t), nil, func(ctx context.Context, r *suite.Rig) error {
		r.Server.Kill()
		return pace.Wait(ctx, time.Minute)
	})
	if err == nil || !strings.Contains(err.Error(), "the server ended (signal: killed)") {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"measurement": func(o *Options) { o.Only = []string{"memory", "speed"} },
		"too few":     func(o *Options) { o.Connections = 3 },
		"too many":    func(o *Options) { o.Connections = 1 << 30 },
		"no binary":   func(o *Options) { o.Stentor = "/nowhere/stentor" },
	} {
		o := testOptions()
		change(&o)
		if err := o.check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	o := Options{suite.Options{Connections: 15000}}
	if o.smallPoint() != 3000 || o.largePoint() != 18000 || o.silent() != 2000 {
		t.Errorf("points %d, %d, silent %d", o.smallPoint(), o.largePoint(), o.silent())
	}
}
