package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/bench/internal/fake"
)

func serveAPI(t *testing.T, s *fake.Server) string {
	t.Helper()
	api := httptest.NewServer(s.API("key"))
	t.Cleanup(api.Close)
	return api.URL
}

// What is wrong with all of a load ends it before it begins, and is named.
func TestNothingIsRunInVain(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"no key", nil, []string{"wants a key", "--api-key-file", "this key is not valid here"}},
		{"a wrong key", []string{"--api-key=other"}, []string{"does not accept --api-key", "this key is not valid here"}},
		{"nobody at the API", []string{"--api=http://127.0.0.1:1", "--api-key=key"}, []string{"--api http://127.0.0.1:1: pushes cannot get there", "connection refused"}},
		{"another project", []string{"--api-key=key", "--project=none"}, []string{"--project none", "there is no project none"}},
		{"a wrong token", []string{"--api-key=key", "--connect-header=token=bad"}, []string{"no connection can be opened", "ERROR: Failed to send message: bad token"}},
		{"nobody's topic", []string{"--api-key=key", "--topic=/topic/none"}, []string{"did not subscribe it to /topic/none", "reason:not-served"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := listen(t)
			s.NotServed("/topic/none")
			args := append([]string{"--url=ws://" + s.Address().String() + "/ws", "--api=" + serveAPI(t, s), "--duration=1h"}, c.args...)
			r, err := Run(bounded(t), parse(t, "broadcast", args...), Output{})
			if r != nil || err == nil {
				t.Fatalf("it was run: %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
			if n := len(s.Tokens()); n > 1 || s.Pushes() > 0 {
				t.Errorf("%d connections, %d pushes", n, s.Pushes())
			}
		})
	}
}

// The same against a real node, in its own words.
func TestNodeRefuses(t *testing.T) {
	at := node(t)
	for what, c := range map[string]struct{ arg, says string }{
		"a wrong secret":    {"--secret=" + strings.Repeat("x", 40), "ERROR: "},
		"a wrong kid":       {"--kid=other", "ERROR: "},
		"a wrong key":       {"--api-key=other", "this key is not valid here"},
		"another project":   {"--project=other", "this key is of another project"},
		"nobody's topic":    {"--topic=/nobody/x", "reason:not-served"},
		"no such endpoint":  {"--url=" + strings.TrimPrefix(at[0], "--url=") + "x", "handshake: "},
		"the client's port": {"--api=http://" + strings.TrimSuffix(strings.TrimPrefix(at[0], "--url=ws://"), "/ws"), "--api http://127"},
	} {
		name, _, _ := strings.Cut(c.arg, "=")
		args := slices.DeleteFunc(slices.Clone(at), func(a string) bool { return strings.HasPrefix(a, name+"=") })
		r, err := Run(bounded(t), parse(t, "broadcast", append(args, c.arg)...), Output{})
		if r != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", what, err, c.says)
		}
	}
}

func TestAPIsOf(t *testing.T) {
	got := apisOf([]string{"ws://10.0.0.1:8080/ws", "ws://10.0.0.1:9090/ws", "wss://shop.example/ws", "ws://[::1]:8080/ws", "%"})
	if want := []string{"http://10.0.0.1:8081", "http://shop.example:8081", "http://[::1]:8081"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s := parse(t, "connect", "--url=ws://10.0.0.1:8080/ws")
	if err := s.check(); err != nil || s.API != "http://10.0.0.1:8081" || !s.apiGuessed {
		t.Errorf("%v, %s", err, s.API)
	}
	s = parse(t, "connect", "--url=ws://10.0.0.1:8080/ws", "--api=http://127.0.0.1:8081")
	if err := s.check(); err != nil || s.API != "http://127.0.0.1:8081" || s.apiGuessed {
		t.Errorf("%v, %s", err, s.API)
	}
}

// Figures of a server that is not the one under test are not shown as its own.
func TestAnotherServersAPI(t *testing.T) {
	for name, key := range map[string]string{"by the session": "--api-key=key", "by the number of connections": "--api-key="} {
		t.Run(name, func(t *testing.T) {
			s, other := listen(t), listen(t)
			at := []string{"--url=ws://" + s.Address().String() + "/ws", "--open-rate=0", "--connections=5", "--hold=10ms", key}
			r := runs(t, "connect", append(at, "--api="+serveAPI(t, other))...)
			if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "is not the API of the server at ws://") || r.Before != nil || mostOf(r.Series) != nil {
				t.Errorf("%q, %+v", r.Notes, r.Before)
			}
			r = runs(t, "connect", append(at, "--api="+serveAPI(t, s))...)
			if len(r.Notes) > 0 || r.Before == nil {
				t.Errorf("%q, %+v", r.Notes, r.Before)
			}
		})
	}
	// One that was only looked for there takes no pushes.
	s, other := listen(t), listen(t)
	spec := parse(t, "broadcast", "--url=ws://"+s.Address().String()+"/ws", "--api="+serveAPI(t, other), "--api-key=key")
	spec.apiGuessed = true
	if r, err := Run(bounded(t), spec, Output{}); r != nil || err == nil || !strings.Contains(err.Error(), "name another with --api) is not the API of the server") {
		t.Errorf("%v", err)
	}
}

// Connections of an earlier run that leave meanwhile do not hide the one that the probe has opened.
func TestGrownWhileOthersLeave(t *testing.T) {
	const before = 6
	for accepted, want := range map[int]bool{before: false, before + 1: true} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "stentor_connections 1\nstentor_accepted_total %d\n", accepted)
		}))
		if got := grown(bounded(t), api.URL, before); got != want {
			t.Errorf("%d accepted after %d: %v", accepted, before, got)
		}
		api.Close()
	}
}

// A back end that takes no push ends the run soon, and that is the only problem.
func TestNoPushIsTaken(t *testing.T) {
	s := listen(t)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"detail":"who are you"}`, http.StatusUnauthorized)
	}))
	defer back.Close()
	r, err := Run(bounded(t), parse(t, "broadcast", append(toBackEnd(s, back.URL), "--duration=10h", "--rate=50")...), Output{})
	if err == nil || r == nil || r.Seconds > time.Hour.Seconds() {
		t.Fatalf("%v, %+v", err, r)
	}
	said := strings.Join(r.Verdict.Problems, "\n")
	if !strings.Contains(said, "pushes failed: push: 401 Unauthorized: who are you") || !strings.Contains(said, "the server accepts no push") || strings.Contains(said, "lost") {
		t.Error(said)
	}
}

// What was refused for the moment is said with the server's words.
func TestRefusedForTheMoment(t *testing.T) {
	s := listen(t)
	api, n := s.API("key"), 0
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 2 {
			http.Error(w, `{"detail":"10 pushes a second are allowed"}`, http.StatusTooManyRequests)
			return
		}
		api.ServeHTTP(w, r)
	}))
	defer back.Close()
	r := runs(t, "broadcast", toBackEnd(s, back.URL)...)
	if !r.Verdict.Good || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "429 Too Many Requests: 10 pushes a second are allowed") {
		t.Errorf("%v, %q", r.Verdict, r.Notes)
	}
}
