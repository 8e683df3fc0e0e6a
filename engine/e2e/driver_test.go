package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// A script is a Node process that takes commands and reports events, both as JSON lines, see js/lines.js. Events carry
// the name of the client that they are about, "" for the script itself.
type script struct {
	t     testing.TB
	ended chan struct{}

	writing sync.Mutex
	in      io.WriteCloser

	mu     sync.Mutex
	queues map[string]*queue
}

// queue has the events of one client that nobody has looked at yet.
type queue struct {
	events []report
	grown  chan struct{} // holds a value after each event
}

// report is an event of a script.
type report struct {
	Client   string
	Event    string
	ID       string // of a receipt
	Protocol string
	Headers  map[string]string
	Body     string
	Base64   string
	Binary   bool
	Code     int
	Reason   string
	Numbers  map[string]int // of the script's own counts
	Texts    []string
}

// launch starts a script of js/ with these arguments. It is ended with the test.
func launch(t testing.TB, name string, args ...string) *script {
	t.Helper()
	return launchWith(t, nil, name, args...)
}

// launchWith is launch with more of an environment.
func launchWith(t testing.TB, environ []string, name string, args ...string) *script {
	t.Helper()
	needLibraries(t)
	return launchProgram(t, environ, "node", append([]string{filepath.Join("js", name)}, args...)...)
}

// launchProgram is launch for a program that speaks as the scripts do.
func launchProgram(t testing.TB, environ []string, name string, args ...string) *script {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), environ...)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, in: in, ended: make(chan struct{}), queues: map[string]*queue{}}
	go func() {
		defer close(s.ended)
		s.read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		select {
		case <-s.ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("%s does not end", name)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, &trouble)
		}
	})
	return s
}

// needLibraries fails the test when `make e2e-deps` has not been run for this list of libraries.
func needLibraries(t testing.TB) {
	t.Helper()
	want, err := os.ReadFile("js/package.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("js/node_modules/.installed")
	_, noNode := exec.LookPath("node")
	if err != nil || !bytes.Equal(got, want) || noNode != nil {
		t.Fatal("the client libraries are not installed: run make e2e-deps")
	}
}

func (s *script) read(from io.Reader) {
	for d := json.NewDecoder(bufio.NewReader(from)); ; {
		var r report
		if err := d.Decode(&r); err != nil {
			if !errors.Is(err, io.EOF) {
				s.t.Errorf("a script writes what is no event: %v", err)
			}
			return
		}
		s.mu.Lock()
		q := s.queue(r.Client)
		q.events = append(q.events, r)
		s.mu.Unlock()
		select {
		case q.grown <- struct{}{}:
		default:
		}
	}
}

// queue is the one of a client. s.mu is held.
func (s *script) queue(client string) *queue {
	q := s.queues[client]
	if q == nil {
		q = &queue{grown: make(chan struct{}, 1)}
		s.queues[client] = q
	}
	return q
}

// command sends one.
func (s *script) command(fields map[string]any) {
	s.t.Helper()
	line, err := json.Marshal(fields)
	if err == nil {
		s.writing.Lock()
		defer s.writing.Unlock()
		_, err = s.in.Write(append(line, '\n'))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// An actor is one client of a script, as the test sees it. It belongs to one goroutine.
type actor struct {
	t      testing.TB
	script *script
	name   string
}

func (s *script) actor(t testing.TB, name string) *actor { return &actor{t, s, name} }

// do has the client do something.
func (a *actor) do(method string, arguments fields) {
	a.t.Helper()
	all := map[string]any{"client": a.name, "do": method}
	for name, value := range arguments {
		all[name] = value
	}
	a.script.command(all)
}

// take returns the client's oldest event for which fits holds and forgets it, and waits for one if there is none.
func (a *actor) take(what string, fits func(report) bool) report {
	a.t.Helper()
	late := time.After(patience)
	for {
		r, ok, grown := a.find(fits)
		if ok {
			return r
		}
		select {
		case <-grown:
		case <-a.script.ended:
			a.t.Fatalf("%s: the script ended before %s; there are %s", a.name, what, a.left())
		case <-late:
			a.t.Fatalf("%s: waited in vain for %s; there are %s", a.name, what, a.left())
		}
	}
}

func (a *actor) find(fits func(report) bool) (r report, ok bool, grown <-chan struct{}) {
	a.script.mu.Lock()
	defer a.script.mu.Unlock()
	q := a.script.queue(a.name)
	if i := slices.IndexFunc(q.events, fits); i >= 0 {
		r = q.events[i]
		q.events = slices.Delete(q.events, i, i+1)
		return r, true, nil
	}
	return report{}, false, q.grown
}

// left shows the events that nobody has looked at.
func (a *actor) left() string {
	a.script.mu.Lock()
	defer a.script.mu.Unlock()
	return fmt.Sprintf("%.2000v", a.script.queue(a.name).events)
}

// want is the client's next event that is not of a kind which may come at any time; it has to be of this one.
func (a *actor) want(event string) report {
	a.t.Helper()
	r := a.take(event, func(r report) bool { return r.Event == event || !background[r.Event] })
	if r.Event != event {
		a.t.Fatalf("%s: got %+v, want %s", a.name, r, event)
	}
	return r
}

// background has the events that want passes over.
var background = map[string]bool{"beat": true, "ping": true}

// wantReceipt is the receipt with this id.
func (a *actor) wantReceipt(id string) report {
	a.t.Helper()
	r := a.want("receipt")
	if r.ID != id {
		a.t.Fatalf("%s: got %+v, want the receipt %s", a.name, r, id)
	}
	return r
}

// wantMessage is a message on this subscription, with this body.
func (a *actor) wantMessage(subscription, body string) report {
	a.t.Helper()
	r := a.want("message")
	if r.Headers["subscription"] != subscription || r.Body != body {
		a.t.Fatalf("%s: got %.300v, want %.100q on %s", a.name, r, body, subscription)
	}
	return r
}
