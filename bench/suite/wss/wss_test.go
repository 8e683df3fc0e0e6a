package wss

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/suite"
)

// TestMain turns the test binary into the processes that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "peer" {
		if err := Peer(Role(os.Args[2]), os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testOptions(t *testing.T) Options {
	return Options{
		Options: suite.Options{Connections: minConnections, Progress: t.Output()},
		Peer: func(role Role, argument string) *exec.Cmd {
			return exec.Command(os.Args[0], "peer", string(role), argument)
		},
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestRun: everything is measured with a real node, and costs something.
func TestRun(t *testing.T) {
	o := testOptions(t)
	o.Stentor = filepath.Join(t.TempDir(), "stentor")
	if out, err := exec.Command("go", "build", "-o", o.Stentor, "stentor/cmd/stentor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r, err := run(bounded(t), o, plan{samples: 1, pushes: 2, look: 20 * time.Millisecond, calm: time.Millisecond, p99: 300 * time.Millisecond, rate: 20, stalled: 20})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, x := range r.Results {
		seen[x.Measurement] = true
		if x.Target <= 0 || len(x.Samples) != 1 {
			t.Errorf("%+v", x)
		}
	}
	for _, name := range Measurements {
		if !seen[name] {
			t.Errorf("nothing of %s in %+v", name, r.Results)
		}
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "RSA-2048") {
		t.Errorf("%v\n%s", err, &table)
	}
}

func TestMistakes(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"too few":                  func(o *Options) { o.Connections = 1 },
		"there is no measurement":  func(o *Options) { o.Only = []string{"speed"} },
		"no such file":             func(o *Options) { o.Stentor = "/nonexistent/stentor" },
		"files and needs 10000025": func(o *Options) { o.Connections = 1e8 },
	} {
		o := testOptions(t)
		o.Stentor = os.Args[0]
		change(&o)
		if _, err := Run(bounded(t), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := Peer("clown", "", strings.NewReader(""), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "clown") {
		t.Error(err)
	}
}
