package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// caller is the HTTP client of the tests. Its connections are the callers' of one process, many at a time.
var caller = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second}}

// fields are the members of a JSON object.
type fields map[string]any

// verbatim is JSON that goes into a request as it stands; encoding/json would tidy it.
type verbatim string

func (f fields) json(t testing.TB) []byte {
	t.Helper()
	text := []byte{'{'}
	for name, value := range f {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(strconv.AppendQuote(text, name), ':')
		if v, ok := value.(verbatim); ok {
			text = append(text, v...)
			continue
		}
		v, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, v...)
	}
	return append(text, '}')
}

// post sends a push to the shop, with its key.
func (s *server) post(t testing.TB, f fields) testkit.Reply {
	t.Helper()
	return s.postTo(t, "shop", f)
}

func (s *server) postTo(t testing.TB, project string, f fields) testkit.Reply {
	t.Helper()
	return s.Push(t, project, f.json(t))
}

// push is post that has to be accepted. It returns the push's position.
func (s *server) push(t testing.TB, f fields) string {
	t.Helper()
	return s.pushTo(t, "shop", f)
}

func (s *server) pushTo(t testing.TB, project string, f fields) string {
	t.Helper()
	r := s.postTo(t, project, f)
	if r.Status != http.StatusOK {
		t.Fatalf("push: %d %s", r.Status, r.Body)
	}
	return r.Field("position")
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// session is one of those that the API lists.
type session struct {
	ID, User, Address, Version, Transport string
	Subscriptions                         []struct{ ID, Destination, Ack string }
}

func (s *server) sessions(t testing.TB, project, key, query string) []session {
	t.Helper()
	r := s.Must(t, "GET", "/v1/projects/"+project+"/sessions"+query, key, nil)
	if r.Status != http.StatusOK {
		t.Fatalf("sessions: %d %s", r.Status, r.Body)
	}
	var page struct{ Sessions []session }
	if err := json.Unmarshal(r.Body, &page); err != nil {
		t.Fatal(err)
	}
	return page.Sessions
}

// wantMetric waits until a sample has a value.
func (s *server) wantMetric(t testing.TB, sample string, want float64) {
	t.Helper()
	var got float64
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if got = s.Metric(t, sample); got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %v, want %v", sample, got, want)
		}
	}
}
