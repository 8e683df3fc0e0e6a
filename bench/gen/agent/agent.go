package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"stentor/bench/gen/load"
	"stentor/bench/gen/result"
)

// Agent is an http.Handler that runs loads for a controller.
type Agent struct {
	log   func(format string, args ...any)
	token [sha256.Size]byte
	load  func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error)
	quiet time.Duration // see silence
	alive time.Duration // see aliveEvery

	mu  sync.Mutex
	now *session // nil when there is no run
}

// session is a run of an agent.
type session struct {
	run      uint32
	cancel   context.CancelCauseFunc
	released chan point // room for one; what no Meet waits for is not put in
	heard    chan struct{}

	mu      sync.Mutex
	waiting int // number of the point that Meet waits at, 0 for none
	points  int
	send    func(*event) error
}

// New returns an agent that accepts orders with this token. log gets a line for each event, from any goroutine.
func New(token string, log func(format string, args ...any)) *Agent {
	return &Agent{log: log, token: sha256.Sum256([]byte(token)), load: load.RunPart, quiet: silence, alive: aliveEvery}
}

// Serve serves l until ctx ends, which also ends a run.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: a, ReadHeaderTimeout: answerTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// A run ends with ctx, and its result is on its way.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	err := s.Shutdown(last)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	<-ended
	return err
}

// ServeHTTP answers one request.
func (a *Agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], a.token[:]) != 1 {
		refuse(w, http.StatusUnauthorized, errors.New("the token is not this agent's"))
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/hello":
		host, _ := os.Hostname() // empty when it has none
		a.mu.Lock()
		busy := a.now != nil
		a.mu.Unlock()
		answer(w, http.StatusOK, hello{Version, host, time.Now(), busy})
	case "POST /v1/run":
		a.run(w, r)
	case "POST /v1/say":
		a.said(w, r)
	default:
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no %s %s here: use the same stentor-bench on all hosts", r.Method, r.URL.Path))
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}

func refuse(w http.ResponseWriter, status int, err error) { answer(w, status, refusal{err.Error()}) }

// read reads the body of a request into v.
func read(w http.ResponseWriter, r *http.Request, most int64, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	// Read to the end: only then does the server notice that the connection is closed.
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, most)); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func (a *Agent) run(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	if err := read(w, r, maxOrder, &o); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it was set before
	if err := checkVersion(o.Version, "the controller"); err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	spec, err := load.Decode(o.Spec)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	s := newSession(o.Run, w, cancel)
	if !a.begin(s) {
		refuse(w, http.StatusConflict, errors.New("the agent is busy with another run"))
		return
	}
	a.log("run %08x: %s, part %d of %d", o.Run, spec.Scenario, o.Index+1, o.Count)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // the next event shows whether the controller is there

	watching, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.watch(watching, a.quiet, a.alive) })
	part := load.Part{Index: o.Index, Count: o.Count, Run: o.Run, Group: s}
	res, err := a.load(ctx, spec, part, load.Output{Each: s.progress})
	last := done{Result: res}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		last.Error = err.Error()
	}
	stop()
	beside.Wait()
	a.end() // who has the result may begin another run
	if err := s.write(&event{Done: &last}); err != nil {
		a.log("run %08x: the result could not be returned: %v", o.Run, err)
		return
	}
	if last.Error != "" {
		a.log("run %08x: ended: %s", o.Run, last.Error)
		return
	}
	a.log("run %08x: done", o.Run)
}

func (a *Agent) begin(s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now != nil {
		return false
	}
	a.now = s
	return true
}

func (a *Agent) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = nil
}

func (a *Agent) said(w http.ResponseWriter, r *http.Request) {
	var m say
	if err := read(w, r, maxSay, &m); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if err := checkVersion(m.Version, "the controller"); err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	a.mu.Lock()
	s := a.now
	a.mu.Unlock()
	if s == nil || s.run != m.Run {
		refuse(w, http.StatusGone, fmt.Errorf("there is no run %08x here", m.Run))
		return
	}
	s.said(&m)
	answer(w, http.StatusOK, struct{}{})
}

func newSession(run uint32, w http.ResponseWriter, cancel context.CancelCauseFunc) *session {
	s := &session{run: run, cancel: cancel, released: make(chan point, 1), heard: make(chan struct{}, 1)}
	control, e := http.NewResponseController(w), json.NewEncoder(w)
	s.send = func(v *event) error {
		if err := control.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
			return err
		}
		if err := e.Encode(v); err != nil {
			return err
		}
		return control.Flush()
	}
	return s
}

// write sends an event.
func (s *session) write(e *event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(e)
}

// report sends an event, and ends the run when that fails.
func (s *session) report(e *event) error {
	err := s.write(e)
	if err != nil {
		err = fmt.Errorf("the controller has gone: %w", err)
		s.cancel(err)
	}
	return err
}

func (s *session) progress(phase string, totals result.Totals, last result.Second) {
	_ = s.report(&event{Progress: &progress{phase, totals, last}}) // it has ended the run
}

// Meet implements load.Group.
func (s *session) Meet(ctx context.Context, name string, value int64) (int64, error) {
	s.mu.Lock()
	s.points++
	p := point{s.points, name, value}
	s.waiting = p.Number
	s.mu.Unlock()
	if err := s.report(&event{Point: &p}); err != nil {
		return 0, err
	}
	select {
	case to := <-s.released:
		return to.Value, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// said records a message of the controller.
func (s *session) said(m *say) {
	select {
	case s.heard <- struct{}{}:
	default:
	}
	if m.Stop != "" {
		s.cancel(errors.New(m.Stop))
	}
	if m.Go == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Go.Number == s.waiting { // said again it means nothing
		s.waiting = 0
		select {
		case s.released <- *m.Go:
		default: // the run has ended, and nobody waits
		}
	}
}

// watch ends the run when the controller has been silent for too long, and sends it a signal in each interval that the agent
// is alive, until ctx ends.
func (s *session) watch(ctx context.Context, quiet, interval time.Duration) {
	t := time.NewTimer(quiet)
	defer t.Stop()
	alive := time.NewTicker(interval)
	defer alive.Stop()
	for {
		select {
		case <-alive.C:
			if s.report(&event{}) != nil {
				return
			}
		case <-s.heard:
			t.Reset(quiet)
		case <-t.C:
			s.cancel(fmt.Errorf("no message from the controller for %v", quiet))
			return
		case <-ctx.Done():
			return
		}
	}
}
