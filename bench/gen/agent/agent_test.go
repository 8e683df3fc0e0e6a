package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/bench/gen/load"
	"stentor/bench/gen/result"
	"stentor/bench/internal/fake"
)

const token = "a-secret-of-some-length"

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func spec(t *testing.T, args ...string) *load.Spec {
	t.Helper()
	s, f := load.NewSpec()
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	s.Scenario = "broadcast"
	return s
}

type loader = func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error)

// start starts an agent whose load is do, and returns its address and what ends it as a crash does.
func start(t *testing.T, do loader) (address string, kill func()) {
	t.Helper()
	a := New(token, t.Logf)
	if do != nil {
		a.load = do
	}
	return serve(t, a)
}

func serve(t *testing.T, h http.Handler) (address string, kill func()) {
	t.Helper()
	s := httptest.NewServer(h)
	kill = sync.OnceFunc(func() { s.CloseClientConnections(); s.Close() })
	t.Cleanup(kill)
	return s.Listener.Addr().String(), kill
}

// found is the result of an agent that opened n connections.
func found(n int64) *result.Result {
	r := &result.Result{
		Format: result.Format, Generators: []result.Generator{{Host: "h", Connections: int(n)}},
		Phases: []result.Phase{{Name: "open", Totals: result.Totals{Opened: n}}},
	}
	r.Judge()
	return r
}

// polite is a load that meets the others twice, and brings its index and ten.
func polite(ctx context.Context, s *load.Spec, p load.Part, o load.Output) (*result.Result, error) {
	o.Each("open", result.Totals{Opened: 7}, result.Second{Connected: 7})
	for _, name := range []string{"begin", "open"} {
		highest, err := p.Group.Meet(ctx, name, int64(p.Index+10))
		if err != nil {
			return found(0), err
		}
		if want := int64(p.Count + 9); highest != want {
			return nil, fmt.Errorf("the highest is %d, want %d", highest, want)
		}
	}
	return found(int64(s.Connections)), nil
}

// waits is a load that meets nobody and ends with its context.
func waits(ctx context.Context, _ *load.Spec, _ load.Part, _ load.Output) (*result.Result, error) {
	<-ctx.Done()
	return found(1), context.Cause(ctx)
}

func TestTogether(t *testing.T) {
	var agents []string
	for range 3 {
		a, _ := start(t, polite)
		agents = append(agents, a)
	}
	var progress bytes.Buffer
	r, err := Run(bounded(t), spec(t, "--connections=30"), agents, token, load.Output{Writer: &progress, Settings: map[string]string{"rate": "10"}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Verdict.Good || r.Total().Opened != 90 || len(r.Generators) != 3 || r.Generators[1].Host != "h ("+agents[1]+")" {
		t.Errorf("%+v", r)
	}
	if r.Scenario != "broadcast" || r.Settings["rate"] != "10" || !strings.Contains(r.Settings["clock of "+agents[2]], "ms") {
		t.Errorf("scenario %s, settings %v", r.Scenario, r.Settings)
	}
	if !strings.Contains(progress.String(), "21 open") {
		t.Errorf("progress does not add up: %s", progress.String())
	}
}

// Who has the result of a run may begin the next at once, whatever the agent still has to do.
func TestFreeWithTheResult(t *testing.T) {
	again := make(chan struct{})
	a := New(token, func(format string, _ ...any) {
		if strings.HasSuffix(format, "done") {
			<-again
		}
	})
	a.load = polite
	address, _ := serve(t, a)
	release := sync.OnceFunc(func() { close(again) })
	defer release()
	ctx := bounded(t)
	for range 2 {
		if _, err := Run(ctx, spec(t), []string{address}, token, load.Output{}); err != nil {
			t.Error(err)
		}
	}
}

// A load of two agents against a server: what one pushes, the clients of the other get.
func TestLoad(t *testing.T) {
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	api := httptest.NewServer(s.API("key"))
	defer api.Close()
	a, _ := start(t, nil)
	b, _ := start(t, nil)
	key := filepath.Join(t.TempDir(), "api.key")
	if err := os.WriteFile(key, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Run(bounded(t), spec(t, "--url=ws://"+s.Address().String()+"/ws", "--api="+api.URL, "--api-key-file="+key, "--metrics=none",
		"--open-rate=0", "--connections=60", "--rate=20", "--duration=500ms"), []string{a, b}, token, load.Output{})
	if err != nil {
		t.Fatal(err)
	}
	if all := r.Total(); !r.Verdict.Good || all.Opened != 60 || all.Pushed != 10 || all.Delivered != 600 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
}

// Whatever goes wrong with one agent ends the run on all, in bounded time, and the verdict names it.
func TestOneGoesWrong(t *testing.T) {
	for name, c := range map[string]struct {
		bad  func(t *testing.T) string
		want string
	}{
		"crashes": {func(t *testing.T) string {
			var kill func()
			a, k := start(t, func(ctx context.Context, s *load.Spec, p load.Part, o load.Output) (*result.Result, error) {
				go kill()
				return waits(ctx, s, p, o)
			})
			kill = k
			return a
		}, "lost: "},
		"fails": {func(t *testing.T) string {
			a, _ := start(t, func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error) {
				return nil, errors.New("descriptors: too few")
			})
			return a
		}, "descriptors: too few"},
		"is ahead": {func(t *testing.T) string {
			a, _ := start(t, func(ctx context.Context, _ *load.Spec, p load.Part, _ load.Output) (*result.Result, error) {
				_, err := p.Group.Meet(ctx, "elsewhere", 0)
				return nil, err
			})
			return a
		}, "do not agree on what comes next"},
		"ends early": {func(t *testing.T) string {
			a, _ := start(t, func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error) {
				return found(1), nil
			})
			return a
		}, "has ended while others go on"},
	} {
		t.Run(name, func(t *testing.T) {
			good, _ := start(t, polite)
			bad := c.bad(t)
			r, err := Run(bounded(t), spec(t), []string{good, bad}, token, load.Output{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), bad) {
				t.Errorf("error %v, want %s of %s", err, c.want, bad)
			}
			if r == nil || r.Verdict.Good || !strings.Contains(strings.Join(r.Verdict.Problems, "\n"), c.want) {
				t.Errorf("result %+v", r)
			}
		})
	}
}

// silent is an agent that takes an order and says nothing more, not even that it is there.
type silent struct{ *Agent }

func (s silent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/run" {
		s.Agent.ServeHTTP(w, r)
		return
	}
	var o order
	_ = read(w, r, maxOrder, &o)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestAgentFallsSilent(t *testing.T) {
	lively := New(token, t.Logf)
	lively.load, lively.alive = polite, 50*time.Millisecond
	good, _ := serve(t, lively)
	bad, _ := serve(t, silent{New(token, t.Logf)})
	c := newController(spec(t), []string{good, bad}, token, load.Output{})
	c.quiet = 3 * time.Second
	r, err := c.run(bounded(t))
	if err == nil || !strings.Contains(err.Error(), bad+": lost: no message from it for") || r == nil || r.Verdict.Good {
		t.Errorf("%v, %+v", err, r)
	}
}

// An agent whose controller has gone ends its run, and takes the next.
func TestControllerGoes(t *testing.T) {
	for name, gone := range map[string]func(ctx context.Context, a *remote, o *order, begun <-chan struct{}){
		"silent": func(ctx context.Context, a *remote, o *order, _ <-chan struct{}) {
			_ = a.run(ctx, o, time.Minute, func(event) {})
		},
		"closes": func(ctx context.Context, a *remote, o *order, begun <-chan struct{}) {
			ctx, leave := context.WithCancel(ctx)
			go func() { <-begun; leave() }()
			_ = a.run(ctx, o, time.Minute, func(event) {})
		},
		"tells to stop": func(ctx context.Context, a *remote, o *order, _ <-chan struct{}) {
			_ = a.run(ctx, o, time.Minute, func(event) { _ = a.say(ctx, say{Run: o.Run, Stop: "enough"}) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan error, 1)
			agent := New(token, t.Logf)
			agent.load = func(ctx context.Context, s *load.Spec, p load.Part, o load.Output) (*result.Result, error) {
				close(begun)
				r, err := waits(ctx, s, p, o)
				ended <- err
				return r, err
			}
			agent.alive = 10 * time.Millisecond
			if agent.quiet = time.Minute; name == "silent" {
				agent.quiet = 50 * time.Millisecond
			}
			address, _ := serve(t, agent)
			text, err := spec(t).Encode()
			if err != nil {
				t.Fatal(err)
			}
			ctx := bounded(t)
			gone(ctx, &remote{address, token, &http.Client{Transport: &http.Transport{}}}, &order{Version: Version, Run: 1, Count: 1, Spec: text}, begun)
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the run has ended without a reason")
				}
			case <-ctx.Done():
				t.Fatal("the run goes on")
			}
		})
	}
}

func TestStopped(t *testing.T) {
	begun := make(chan struct{})
	a, _ := start(t, func(ctx context.Context, s *load.Spec, p load.Part, o load.Output) (*result.Result, error) {
		close(begun)
		return waits(ctx, s, p, o)
	})
	ctx, stop := context.WithCancel(bounded(t))
	go func() { <-begun; stop() }()
	r, err := Run(ctx, spec(t), []string{a}, token, load.Output{})
	if err == nil || r == nil || r.Verdict.Good || r.Total().Opened != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestRefusals(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	address, _ := start(t, func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error) {
		close(begun)
		<-release
		return found(1), nil
	})
	ctx := bounded(t)
	to := func(token string) *remote { return &remote{address, token, &http.Client{Transport: &http.Transport{}}} }
	text, err := spec(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := order{Version: Version, Run: 5, Count: 1, Spec: text}
	with := func(change func(*order)) *order {
		o := good
		change(&o)
		return &o
	}
	post := func(token string, o *order) error { return to(token).run(ctx, o, time.Minute, func(event) {}) }
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}

	_, _, err = to("another secret, just as long").hello(ctx)
	refused(err, "token")
	refused(post("", &good), "token")
	refused(to("wrong").say(ctx, say{}), "token")
	refused(post(token, with(func(o *order) { o.Version++ })), "speaks version 2 of the protocol, this side 1")
	refused(post(token, with(func(o *order) { o.Spec = []byte(`{"Key":"/etc/shadow"}`) })), "names a file")
	refused(post(token, with(func(o *order) { o.Spec = []byte(`"` + strings.Repeat("x", maxOrder) + `"`) })), "too large")
	refused(to(token).say(ctx, say{Run: 5}), "no run 00000005")
	refused(to(token).ask(ctx, http.MethodGet, "/v1/execute", nil, &struct{}{}), "there is no GET /v1/execute")

	done := make(chan error, 1)
	go func() { done <- post(token, &good) }()
	<-begun
	refused(post(token, &good), "busy")
	_, _, err = to(token).hello(ctx)
	refused(err, "busy")
	_, err = Run(ctx, spec(t), []string{address}, token, load.Output{})
	refused(err, address+": it is busy")
	refused(to(token).say(ctx, say{Run: 6}), "no run 00000006")
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}

	_, err = Run(ctx, spec(t), []string{address, address}, token, load.Output{})
	refused(err, "named twice")
	_, err = Run(ctx, spec(t), nil, token, load.Output{})
	refused(err, "no agent")
	other, _ := serve(t, http.NotFoundHandler())
	_, err = Run(ctx, spec(t), []string{other}, token, load.Output{})
	refused(err, "is it an agent?")
}

// An agent that is told to end hands over what it has.
func TestServeEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(bounded(t))
	a := New(token, t.Logf)
	a.load = func(ctx context.Context, s *load.Spec, p load.Part, o load.Output) (*result.Result, error) {
		stop()
		return waits(ctx, s, p, o)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx, l) }()
	r, err := Run(bounded(t), spec(t), []string{l.Addr().String()}, token, load.Output{})
	if err == nil || r == nil || r.Total().Opened != 1 || r.Verdict.Good {
		t.Errorf("%v, %+v", err, r)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestReadToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for text, ok := range map[string]bool{token + "\n": true, "": false, "short": false, "two words of some length": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadToken(path)
		if (err == nil) != ok || ok && got != token {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := ReadToken(path + "absent"); err == nil {
		t.Error("no error without a file")
	}
}

// late is an agent that begins a run only when it was told something about it, which it then knows nothing of.
type late struct {
	*Agent
	said chan struct{}
	once *sync.Once
}

func (l late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/run":
		select {
		case <-l.said:
		case <-r.Context().Done():
		}
	case "/v1/say":
		defer l.once.Do(func() { close(l.said) })
	}
	l.Agent.ServeHTTP(w, r)
}

func TestStoppedBeforeItBegins(t *testing.T) {
	a := New(token, t.Logf)
	a.load = waits
	slow, _ := serve(t, late{a, make(chan struct{}), &sync.Once{}})
	bad, _ := start(t, func(context.Context, *load.Spec, load.Part, load.Output) (*result.Result, error) {
		return nil, errors.New("no memory")
	})
	r, err := Run(bounded(t), spec(t), []string{slow, bad}, token, load.Output{})
	if err == nil || !strings.Contains(err.Error(), "no memory") || strings.Contains(err.Error(), slow) {
		t.Errorf("%v", err)
	}
	if r == nil || r.Verdict.Good || r.Total().Opened != 1 {
		t.Errorf("the other one's result is lost: %+v", r)
	}
}
