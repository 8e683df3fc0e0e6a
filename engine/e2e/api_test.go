package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// caller is the HTTP client of the tests. Its connections are the callers' of one process, many at a time.
var caller = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second}}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// field is a text of a JSON answer, "" when it is not there.
func (r reply) field(name string) string {
	var all map[string]any
	_ = json.Unmarshal(r.body, &all)
	text, _ := all[name].(string)
	return text
}

// call sends a request. key may be empty.
func (s *server) call(method, path, key string, body []byte, header ...string) (reply, error) {
	req, err := http.NewRequest(method, s.API+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := caller.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, text}, err
}

// must is call that has to be answered.
func (s *server) must(t testing.TB, method, path, key string, body []byte, header ...string) reply {
	t.Helper()
	r, err := s.call(method, path, key, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

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
func (s *server) post(t testing.TB, f fields) reply {
	t.Helper()
	return s.postTo(t, "shop", f)
}

func (s *server) postTo(t testing.TB, project string, f fields) reply {
	t.Helper()
	return s.must(t, "POST", "/v1/projects/"+project+"/push", project+"-key", f.json(t))
}

// push is post that has to be accepted. It returns the push's position.
func (s *server) push(t testing.TB, f fields) string {
	t.Helper()
	return s.pushTo(t, "shop", f)
}

func (s *server) pushTo(t testing.TB, project string, f fields) string {
	t.Helper()
	r := s.postTo(t, project, f)
	if r.status != http.StatusOK {
		t.Fatalf("push: %d %s", r.status, r.body)
	}
	return r.field("position")
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// session is one of those that the API lists.
type session struct {
	ID, User, Address, Version string
	Subscriptions              []struct{ ID, Destination, Ack string }
}

func (s *server) sessions(t testing.TB, project, key, query string) []session {
	t.Helper()
	r := s.must(t, "GET", "/v1/projects/"+project+"/sessions"+query, key, nil)
	if r.status != http.StatusOK {
		t.Fatalf("sessions: %d %s", r.status, r.body)
	}
	var page struct{ Sessions []session }
	if err := json.Unmarshal(r.body, &page); err != nil {
		t.Fatal(err)
	}
	return page.Sessions
}

// metric returns one sample of /metrics, as in metric(t, `stentor_sessions`) or with its labels in braces.
func (s *server) metric(t testing.TB, sample string) float64 {
	t.Helper()
	r := s.must(t, "GET", "/metrics", "", nil)
	for line := range strings.Lines(string(r.body)) {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s (%d, %d bytes)", sample, r.status, len(r.body))
	return 0
}

// wantMetric waits until a sample has a value.
func (s *server) wantMetric(t testing.TB, sample string, want float64) {
	t.Helper()
	var got float64
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if got = s.metric(t, sample); got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %v, want %v", sample, got, want)
		}
	}
}
