package testkit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake replaces the program under test with a script, which gets a node's arguments, and the API with a server here.
func fake(t *testing.T, script string) Setup {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			fmt.Fprint(w, "ready")
		case "/metrics":
			fmt.Fprint(w, "stentor_sessions_total 1\nstentor_sessions 2.5\n")
		case "/v1/projects/shop/push":
			fmt.Fprintf(w, `{"position":"%s %s"}`, r.Header.Get("Authorization"), r.Header.Get("Content-Type"))
		default:
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "half") // and no more
		}
	}))
	t.Cleanup(api.Close)
	before := binary
	t.Cleanup(func() { binary = before })
	binary = filepath.Join(t.TempDir(), "stentor")
	text := "#!/bin/sh\ntrap 'exit 0' TERM\nserving() { echo '{\"msg\":\"serving\",\"clients\":\"ws://127.0.0.1:1/ws\",\"api\":\"" + api.URL + "/\"}' >&2; }\n" + script
	if err := os.WriteFile(binary, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return Setup{Config: "projects: {}\n", Set: []string{"a=b"}, Patience: 10 * time.Second, HTTP: http.DefaultClient}
}

// wait is the end of a script that lives until it is told to leave.
const wait = "\nserving\nwhile :; do sleep 0.01; done\n"

// A node serves with its settings, its API can be called, and after it was killed it starts again with the same configuration.
func TestNode(t *testing.T) {
	t.Setenv("STENTOR_KEY", "of the test's own")
	n := Start(t, fake(t, `echo "$* and $STENTOR_KEY" >&2; cat "$3" >&2`+wait))
	lines := strings.Split(n.Journal.Text(), "\n")
	if want := "--set listen.client=127.0.0.1:0 --set listen.api=127.0.0.1:0 --set log.format=json --set a=b and "; !strings.HasSuffix(lines[0], want) || lines[1] != "projects: {}" {
		t.Errorf("started with %q, want %q", lines, want)
	}
	n.WaitReady()
	if r := n.Push(t, "shop", []byte("{}")); r.Field("position") != "Bearer shop-key application/json" || r.Field("none") != "" {
		t.Errorf("%s", r.Body)
	}
	if v := n.Metric(t, "stentor_sessions"); v != 2.5 {
		t.Errorf("the metric is %v", v)
	}
	if r, err := n.Call("GET", "/half", "", nil); err == nil || string(r.Body) != "half" {
		t.Errorf("an answer that breaks off: %q %v", r.Body, err)
	}
	first, from := n.PID(), n.Journal.Count()
	n.Kill()
	n.Configure("projects: {more: {}}\n")
	n.Start()
	if !strings.Contains(n.Journal.Text(), "more") {
		t.Error("the second life is not there, or has the configuration of the first")
	}
	if line := n.Logged(from, "serving"); line["clients"] != n.Clients() || n.PID() == first {
		t.Errorf("served again: %v", line)
	}
	n.Leave()
}

// judged is a test that only says whether it failed.
type judged struct {
	*testing.T
	failed bool
}

func (j *judged) Errorf(string, ...any) { j.failed = true }
func (j *judged) Failed() bool          { return false }

// How a node ends is judged: one that was killed by the test is not to blame.
func TestEnds(t *testing.T) {
	for _, one := range []struct {
		name, script string
		end          func(*Node)
		failed       bool
	}{
		{"well", wait, (*Node).Leave, false},
		{"killed", wait, (*Node).Kill, false},
		{"with a code", "trap 'exit 3' TERM" + wait, (*Node).Leave, true},
		{"by itself", "serving\nexit 1\n", (*Node).WaitEnd, true},
		{"with a code, with its test", "trap 'exit 3' TERM" + wait, func(*Node) {}, true},
		{"after a panic", "echo a panic >&2" + wait, (*Node).Leave, true},
	} {
		j := &judged{}
		t.Run(one.name, func(t *testing.T) {
			j.T = t
			one.end(Start(j, fake(t, one.script)))
		})
		if j.failed != one.failed {
			t.Errorf("%s: failed: %v", one.name, j.failed)
		}
	}
}

// A log that is left unread is read up to where the node serves.
func TestUnread(t *testing.T) {
	// What it says behind that may find nobody who reads.
	o := fake(t, "trap '' PIPE\necho before >&2\nserving\necho after >&2\nwhile :; do sleep 0.01; done\n")
	o.Unread = 4096
	n := Start(t, o)
	if text := n.Journal.Text(); !strings.Contains(text, "before") || strings.Contains(text, "after") {
		t.Errorf("read %q", text)
	}
	n.CloseLog()
}

// A node with few files has no more than these.
func TestFiles(t *testing.T) {
	o := fake(t, "ulimit -n >&2"+wait)
	o.Files = 123
	if n := Start(t, o); !strings.HasPrefix(n.Journal.Text(), "123\n") {
		t.Errorf("%s", n.Journal.Text())
	}
}

// --dev prints as text where it serves.
func TestDev(t *testing.T) {
	o := fake(t, "echo '  page     http://127.0.0.1:2/'; echo '  clients  ws://127.0.0.1:3/ws'"+wait)
	o.Dev = true
	if n := Start(t, o); n.URL() != "http://127.0.0.1:2" || n.Clients() != "ws://127.0.0.1:3/ws" {
		t.Errorf("%s and %s", n.URL(), n.Clients())
	}
}
