package browsers

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/suite"
)

func options(t *testing.T) Options {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stentor")
	if out, err := exec.Command("go", "build", "-o", binary, "stentor/cmd/stentor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return Options{suite.Options{Stentor: binary, Connections: 60, Progress: t.Output()}}
}

// TestRun takes every measurement with a real node, and few connections: each finds something, and nothing is lost.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	const ms = time.Millisecond
	r, err := run(ctx, options(t), plan{pairs: 1, cpu: 10 * ms, settle: ms, turn: 100 * ms, waiting: 300 * ms, phases: 1, xhrPushes: 400})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, x := range r.Results {
		seen[x.Measurement] = true
		if x.Value <= 0 && x.Unit != "bytes" && x.Target > 0 || len(x.Samples) == 0 {
			t.Errorf("%+v", x)
		}
	}
	for _, name := range Measurements {
		if !seen[name] {
			t.Errorf("there is no %s: %+v", name, r.Results)
		}
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"there is no measurement": func(o *Options) { o.Only = []string{"speed"} },
		"too few":                 func(o *Options) { o.Connections = 3 },
		"files and needs":         func(o *Options) { o.Connections = 1e8 },
		"no such file":            func(o *Options) { o.Stentor = "/nowhere/stentor" },
	} {
		o := Options{suite.Options{Stentor: "/bin/true", Connections: minConnections}}
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
