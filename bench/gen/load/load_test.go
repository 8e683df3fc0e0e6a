package load

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/result"
	"stentor/bench/internal/fake"
	"stentor/bench/machine/server"
)

// stentor is the node's binary, built once.
var stentor string

func TestMain(m *testing.M) { os.Exit(withNode(m)) }

func withNode(m *testing.M) int {
	dir, err := os.MkdirTemp("", "load-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stentor = filepath.Join(dir, "stentor")
	if out, err := exec.Command("go", "build", "-o", stentor, "stentor/cmd/stentor").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// node starts a real node and returns the flags that find it.
func node(t *testing.T) []string {
	t.Helper()
	c := server.NewCredentials()
	s, _, err := server.Start(bounded(t), stentor, t.TempDir(), server.Config{Credentials: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return []string{
		"--url=ws://" + s.Client.String() + server.Path, "--api=" + s.API(), "--api-key=" + c.APIKey, "--project=" + server.Project,
		"--secret=" + c.Secret, "--open-rate=2000", "--settle=10s",
	}
}

// parse makes a Spec of arguments.
func parse(t *testing.T, scenario string, args ...string) *Spec {
	t.Helper()
	s, f := NewSpec()
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	s.Scenario = scenario
	return s
}

func runs(t *testing.T, scenario string, args ...string) *result.Result {
	t.Helper()
	r, err := Run(bounded(t), parse(t, scenario, args...), Output{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestScenarios(t *testing.T) {
	at := node(t)
	const n = 300
	for _, c := range []struct {
		scenario  string
		args      []string
		phases    []string
		opened    int64
		delivered int64 // at least
		resumed   int64
	}{
		{"connect", []string{"--hold=100ms", "--open-rate=0"}, []string{"open", "hold"}, n, 0, 0},
		{"broadcast", []string{"--rate=20", "--duration=1s", "--ramp=200ms"}, []string{"open", "push", "settle"}, n, 20 * n, 0},
		{"topics", []string{"--rate=100", "--duration=1s", "--destinations=20", "--distribution=zipf"}, []string{"open", "push", "settle"}, n, 100, 0},
		{"users", []string{"--rate=200", "--duration=1s"}, []string{"open", "push", "settle"}, n, 200, 0},
		{"churn", []string{"--rate=20", "--duration=1s", "--churn-rate=100"}, []string{"open", "churn", "back", "settle"}, n + 100, 20 * n, 200},
		{"reconnect", []string{"--rate=20", "--duration=900ms", "--hold=200ms", "--open-rate=0"}, []string{"open", "before", "away", "back", "after", "settle"}, 2 * n, 15 * n, 2 * n},
		{"slow", []string{"--rate=20", "--duration=1s", "--slow-share=0.2"}, []string{"open", "open slow", "push", "settle"}, n, 20 * n * 8 / 10, 0},
		{"slow", []string{"--rate=20", "--duration=1s", "--slow-share=0.2", "--slow-kind=slowly", "--slow-bytes=4096"}, []string{"open", "open slow", "push", "settle"}, n, 20 * n * 8 / 10, 0},
		{"soak", []string{"--rate=20", "--user-rate=100", "--churn-rate=50", "--duration=1s", "--destinations=3", "--batch=10"}, []string{"open", "soak", "back", "settle"}, n + 50, 20*n/3/2 + 100, 100},
		{"million", []string{"--rate=200", "--hold=10ms", "--broadcasts=2", "--sample=50", "--kicks=10"},
			[]string{"open", "hold", "broadcast 1", "broadcast 2", "users", "kick", "drop", "away", "back", "last broadcast"}, n + 10 + 30, 4*n + 50, 2 * 40},
	} {
		name := c.scenario + " " + strings.Join(c.args, " ")
		t.Run(name, func(t *testing.T) {
			r := runs(t, c.scenario, slices.Concat(at, []string{fmt.Sprint("--connections=", n)}, c.args)...)
			if !r.Verdict.Good {
				t.Errorf("%v", r.Verdict.Problems)
			}
			var phases []string
			latencies := int64(0)
			for _, p := range r.Phases {
				phases = append(phases, p.Name)
				latencies += p.Latency.Count
			}
			if !slices.Equal(phases, c.phases) {
				t.Errorf("phases %q, want %q", phases, c.phases)
			}
			all := r.Total()
			if all.Opened != c.opened || all.Delivered < c.delivered || all.Resumed != c.resumed || latencies != all.Delivered {
				t.Errorf("%+v with %d latencies", all, latencies)
			}
			inSeries := result.Totals{}
			for i := range r.Series {
				inSeries.Add(&r.Series[i].Totals)
			}
			if inSeries.Delivered != all.Delivered || inSeries.Opened != all.Opened {
				t.Errorf("the seconds have %+v, the phases %+v", inSeries, all)
			}
		})
	}
}

// What is wrong with one message to one connection must end in a bad verdict that says so.
func TestFaultsAreSeen(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    fake.Fault
		nth      int // push, of 10
		scenario string
		says     string
	}{
		{"none", fake.None, 0, "broadcast", ""},
		{"none to users", fake.None, 0, "users", ""},
		{"the first is lost", fake.Lose, 1, "broadcast", "1 messages lost"},
		{"one is lost", fake.Lose, 5, "broadcast", "1 messages lost"},
		{"the last is lost", fake.Lose, 10, "broadcast", "1 messages lost"},
		{"a user's only one is lost", fake.Lose, 10, "users", "1 messages lost"},
		{"repeated", fake.Repeat, 10, "broadcast", "1 messages repeated"},
		{"out of order", fake.Delay, 5, "broadcast", "1 messages out of order"},
		{"corrupted", fake.Corrupt, 5, "broadcast", "1 messages corrupted"},
		{"another user gets it", fake.Stray, 5, "users", "1 messages delivered to the wrong"},
		{"another destination's subscriber gets it", fake.Stray, 5, "topics", "1 messages delivered to the wrong"},
		{"another project's client gets it", fake.Stray, 5, "projects", "1 messages delivered to the wrong"},
		{"on the other subscription", fake.Elsewhere, 5, "broadcast", "1 messages delivered to the wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := fake.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			api := httptest.NewServer(s.API("key"))
			defer api.Close()
			s.Break(c.fault, c.nth)
			args := []string{
				"--url=ws://" + s.Address().String() + "/ws", "--api=" + api.URL, "--api-key=key", "--secret=" + strings.Repeat("s", 40),
				"--connections=40", "--open-rate=0", "--rate=10", "--duration=1s", "--settle=500ms", "--metrics=none", "--lanes=1",
			}
			scenario := c.scenario
			switch scenario {
			case "topics":
				args = append(args, "--destinations=2")
			case "projects":
				scenario = "broadcast"
				args = append(args, "--project=a,b")
			}
			r, err := Run(bounded(t), parse(t, scenario, args...), Output{})
			if err != nil {
				t.Fatal(err)
			}
			if c.says == "" {
				if !r.Verdict.Good {
					t.Errorf("%v", r.Verdict.Problems)
				}
				return
			}
			if r.Verdict.Good || !slices.ContainsFunc(r.Verdict.Problems, func(p string) bool { return strings.Contains(p, c.says) }) {
				t.Errorf("verdict %+v, want %q", r.Verdict, c.says)
			}
		})
	}
}
