package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/golang-jwt/jwt/v5"

	"stentor/bench/baseline"
	"stentor/bench/internal/fake"
	"stentor/bench/pace"
)

// TestMain turns the test binary into the processes that a run starts: a fake server, and the bare loop.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	var err error
	switch role {
	case "version":
		fmt.Println("fake 1.0\nmore")
	case "serve":
		err = serveFake(os.Args[3])
	case "baseline":
		err = baseline.Serve(os.Stdin, os.Stdout, 2)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type fakeConfig struct {
	Listen struct {
		Client []string `yaml:"client"`
		API    string   `yaml:"api"`
	} `yaml:"listen"`
	Projects map[string]struct {
		Anonymous bool     `yaml:"anonymous"`
		APIKeys   []string `yaml:"api_keys"`
		Keys      []struct {
			KID    string `yaml:"kid"`
			Alg    string `yaml:"alg"`
			Secret string `yaml:"secret"`
		} `yaml:"keys"`
	} `yaml:"projects"`
}

func readConfig(b []byte) (c fakeConfig, err error) {
	return c, yaml.Unmarshal(b, &c)
}

func serveFake(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, err := readConfig(b)
	if err != nil {
		return err
	}
	s, err := fake.Listen(c.Listen.Client[0])
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h := http.Server{Addr: c.Listen.API, Handler: s.API(c.Projects[project].APIKeys[0])}
	go func() {
		<-ctx.Done()
		h.Close()
	}()
	if err := h.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func testOptions() Options {
	return Options{
		Stentor:     os.Args[0],
		Baseline:    func() *exec.Cmd { return exec.Command(os.Args[0], "baseline") },
		Connections: 100,
		Progress:    &bytes.Buffer{},
	}
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
	if len(r.Results) != 8 || r.Server != "fake 1.0" || r.FrameBytes < payloadBytes+50 {
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
	if err := r.WriteTable(&table); err != nil || strings.Count(table.String(), "pass")+strings.Count(table.String(), "MISS") != 8 {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestRunEndsWithTheServer(t *testing.T) {
	o := testOptions()
	b := &bench{Options: o, plan: o.plan(), dir: t.TempDir(), credentials: newCredentials()}
	err := b.withRig(bounded(t), nil, func(ctx context.Context, r *rig) error {
		if err := r.server.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		return sleep(ctx, time.Minute)
	})
	if err == nil || !strings.Contains(err.Error(), "the server ended (signal: killed)") {
		t.Errorf("error %v", err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	_, _, err := startServer(bounded(t), "/bin/false", t.TempDir(), newCredentials())
	if err == nil || !strings.Contains(err.Error(), "the server ended (exit status 1)") {
		t.Errorf("error %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	client, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cred := newCredentials()
	cred.apiKey = `odd "key": #1`
	c, err := readConfig(configuration(client, client, cred))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Projects[project]
	if c.Listen.Client[0] != client.String() || c.Listen.API != client.String() || p.APIKeys[0] != cred.apiKey ||
		p.Keys[0].Secret != cred.secret || p.Keys[0].KID != keyID || len(cred.secret) < 32 || !p.Anonymous {
		t.Errorf("%+v", c)
	}
}

func TestToken(t *testing.T) {
	cred := newCredentials()
	seen := map[string]bool{}
	for n := range 3 {
		headers, err := cred.token(n)
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.RegisteredClaims{}
		token, err := jwt.ParseWithClaims(string(headers[1].Value), &claims, func(*jwt.Token) (any, error) { return []byte(cred.secret), nil })
		if err != nil || token.Method != jwt.SigningMethodHS256 || token.Header["kid"] != keyID || claims.ExpiresAt == nil {
			t.Errorf("token %s: %v", headers[1].Value, err)
		}
		seen[claims.Subject] = true
	}
	if len(seen) != 3 {
		t.Errorf("users %v", seen)
	}
}

// What an answer holds up must go out late, but numbered and stamped as it was due.
func TestPaced(t *testing.T) {
	var posts []int
	s := newAPI(t, func(w http.ResponseWriter, body []byte) {
		if len(posts) == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		var all []json.RawMessage
		if body[0] != '[' {
			posts = append(posts, 1)
			return
		}
		if err := json.Unmarshal(body, &all); err != nil {
			t.Error(err)
		}
		posts = append(posts, len(all))
		fmt.Fprint(w, "["+strings.TrimSuffix(strings.Repeat(`{"status":200},`, len(all)), ",")+"]")
	})
	p := publisher{server: s}
	n, err := p.paced(bounded(t), pace.Rate(200), 200*time.Millisecond)
	if err != nil || n != 40 || p.seq != 40 {
		t.Fatalf("%d pushes, number %d, %v", n, p.seq, err)
	}
	sum := 0
	for _, n := range posts {
		sum += n
	}
	if sum != 40 || posts[1] < 5 {
		t.Errorf("posts %v", posts)
	}
}

func TestRefusedPushes(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, []byte){
		"503":            func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusServiceUnavailable) },
		"one of a batch": func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `[{"status":200},{"status":503}]`) },
		"short":          func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `[{"status":200}]`) },
		"no JSON":        func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `what?`) },
	} {
		p := publisher{server: newAPI(t, answer)}
		if err := p.post(bounded(t), time.Now(), time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestGauge(t *testing.T) {
	const text = `# HELP h is
# TYPE h gauge
h{project="a} b"} 1.5e3
h{project="c"} 500 1700000000
h_total 7
other 9
`
	if v, err := gauge([]byte(text), "h"); v != 2000 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	if v, err := gauge([]byte("h 12"), "h"); v != 12 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	for _, bad := range []string{"", "h_total 1\n", "h x\n"} {
		if _, err := gauge([]byte(bad), "h"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestServerEnv(t *testing.T) {
	got := serverEnv([]string{"PATH=/bin", "GOGC=50", "STENTOR_LIMITS_CONNECTIONS=1", "GOMEMLIMIT=1GiB", "HOME=/"})
	if strings.Join(got, " ") != "PATH=/bin HOME=/" {
		t.Errorf("%v", got)
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
	o := Options{Connections: 15000}
	if o.smallPoint() != 3000 || o.largePoint() != 18000 || o.silent() != 2000 {
		t.Errorf("points %d, %d, silent %d", o.smallPoint(), o.largePoint(), o.silent())
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 1.096: "1.10", 42.35: "42.4", 1023.6: "1,024", 1234567: "1,234,567", 999.5: "1,000"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	r := Report{Results: []Result{
		result("m", "a", "x", []float64{1.2, 1.0, 1.1}).atMost(1.1),
		result("m", "b", "x", []float64{1.2}).atMost(1.1),
		result("m", "c", "x", []float64{3}).atLeast(3),
		result("m", "d", "x", []float64{2.9}).atLeast(3),
	}}
	if r.Missed() != 2 || !r.Results[0].Pass || !r.Results[2].Pass {
		t.Errorf("%+v", r.Results)
	}
}
