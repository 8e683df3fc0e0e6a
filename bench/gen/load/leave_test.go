package load

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"stentor/bench/gen/result"
	"stentor/bench/internal/fake"
	"stentor/bench/machine/server"
	"stentor/engine/websocket"
)

// leaving is a run of million that ends with its server leaving: leave is called once, when the server has accepted the last
// phase's message.
func leaving(t *testing.T, leave func(), args ...string) *result.Result {
	t.Helper()
	left := false
	out := Output{Each: func(phase string, all result.Totals, _ result.Second) {
		if phase == "leave" && all.Pushed == 4 && !left {
			left = true
			leave()
		}
	}}
	args = append(args, "--connections=60", "--open-rate=0", "--hold=10ms", "--broadcasts=1", "--sample=0", "--kicks=0", "--drop-share=0.05")
	r, err := Run(bounded(t), parse(t, "million", args...), out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A server that leaves closes all with 1012, and owes them nothing.
func TestLeave(t *testing.T) {
	c := server.NewCredentials()
	s, _, err := server.Start(bounded(t), stentor, t.TempDir(), server.Config{Credentials: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	r := leaving(t, func() { go s.Stop() }, "--url=ws://"+s.Client.String()+server.Path, "--api="+s.API(), "--api-key="+c.APIKey, "--project="+server.Project, "--secret="+c.Secret, "--leave=30s")
	if !r.Verdict.Good || r.Total().Left != 60 || r.Phases[len(r.Phases)-1].Left != 60 {
		t.Errorf("%v, %+v", r.Verdict.Problems, r.Total())
	}
}

// What goes wrong when a server leaves is told.
func TestLeaveBadly(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fake.Fault
		close []byte // nil: none
		leave string // the time to
		left  int64
		says  string
	}{
		{"well", fake.None, websocket.AppendClose(nil, 1012, ""), "30s", 60, ""},
		{"one was deaf", fake.Lose, websocket.AppendClose(nil, 1012, ""), "30s", 60, "1 messages lost"},
		{"with another code", fake.None, websocket.AppendClose(nil, 1001, ""), "30s", 0, "60 times a connection did not open or was ended by the server: 60 the server closed: 1001"},
		{"without a word", fake.None, []byte{}, "30s", 0, "60 times a connection did not open or was ended by the server"},
		{"not at all", fake.None, nil, "3s", 0, "60 connections were open when the server had had 3s to leave"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := listen(t)
			api := httptest.NewServer(s.API("key"))
			defer api.Close()
			s.Break(c.fault, 4) // the message of the last phase
			r := leaving(t, func() {
				if c.close != nil {
					s.Hang(c.close)
				}
			}, "--url=ws://"+s.Address().String()+"/ws", "--api="+api.URL, "--api-key=key", "--secret="+strings.Repeat("s", 40), "--metrics=none", "--leave="+c.leave)
			if r.Total().Left != c.left || r.Verdict.Good != (c.says == "") || c.says != "" && !slices.ContainsFunc(r.Verdict.Problems, func(p string) bool { return strings.Contains(p, c.says) }) {
				t.Errorf("%d left, %q, want %q", r.Total().Left, r.Verdict.Problems, c.says)
			}
		})
	}
}
