package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/bench/gen/pace"
	"stentor/bench/internal/fake"
	"stentor/engine/testkit/bubble"
	"stentor/engine/testkit/ports"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestServerThatDoesNotStart(t *testing.T) {
	_, _, err := Start(bounded(t), "/bin/false", t.TempDir(), Config{Credentials: NewCredentials()})
	if err == nil || !strings.Contains(err.Error(), "the server ended (exit status 1)") {
		t.Errorf("error %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	client, err := ports.Free(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	cred := NewCredentials()
	cred.APIKey = `odd "key": #1`
	c, err := fake.ReadConfig((&Config{Credentials: cred}).text(client, client))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Projects[Project]
	if c.Listen.Client[0] != client.String() || c.Listen.API != client.String() || p.APIKeys[0] != cred.APIKey ||
		p.Keys[0].Secret != cred.Secret || p.Keys[0].KID != keyID || len(cred.Secret) < 32 || !p.Anonymous {
		t.Errorf("%+v", c)
	}
}

func TestToken(t *testing.T) {
	cred := NewCredentials()
	seen := map[string]bool{}
	for n := range 3 {
		headers, err := cred.Token(n)
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.RegisteredClaims{}
		token, err := jwt.ParseWithClaims(string(headers[1].Value), &claims, func(*jwt.Token) (any, error) { return []byte(cred.Secret), nil })
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
	bubble.Test(t, func(t *testing.T) {
		var posts []int
		h := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if len(posts) == 0 {
				time.Sleep(50 * time.Millisecond)
			}
			var one json.RawMessage
			if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
				t.Error(err)
			}
			all := []json.RawMessage{one}
			if one[0] == '[' {
				if err := json.Unmarshal(one, &all); err != nil {
					t.Error(err)
				}
			}
			posts = append(posts, len(all))
			answer := "[" + strings.TrimSuffix(strings.Repeat(`{"status":200},`, len(all)), ",") + "]"
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
		})}
		p := Publisher{Server: &Server{http: h}, Size: 200}
		n, err := p.Paced(bounded(t), pace.Rate(200), 200*time.Millisecond)
		if err != nil || n != 40 || p.Seq != 40 {
			t.Fatalf("%d pushes, number %d, %v", n, p.Seq, err)
		}
		sum := 0
		for _, n := range posts {
			sum += n
		}
		if sum != 40 || len(posts) != 31 || posts[1] != 10 { // in 50 ms
			t.Errorf("posts %v", posts)
		}
	})
}

// transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRefusedPushes(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, []byte){
		"503":            func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusServiceUnavailable) },
		"one of a batch": func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `[{"status":200},{"status":503}]`) },
		"short":          func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `[{"status":200}]`) },
		"no JSON":        func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, `what?`) },
	} {
		p := Publisher{Server: newAPI(t, answer)}
		if err := p.Post(bounded(t), time.Now(), time.Now()); err == nil {
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
