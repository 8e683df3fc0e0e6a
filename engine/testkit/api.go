package testkit

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Reply is an answer of the API.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Field returns a text field of a JSON answer, "" when it is missing.
func (r Reply) Field(name string) string {
	var all map[string]any
	_ = json.Unmarshal(r.Body, &all)
	text, _ := all[name].(string)
	return text
}

// Call sends a request. key may be empty; header has names and values in turn. If an answer breaks off, Call returns the
// part that came, along with the error.
func (n *Node) Call(method, path, key string, body []byte, header ...string) (Reply, error) {
	req, err := http.NewRequest(method, n.URL()+path, bytes.NewReader(body))
	if err != nil {
		return Reply{}, err
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
	res, err := n.setup.HTTP.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Reply{res.StatusCode, res.Header, text}, err
}

// Must is Call, and fails the test when there is no answer.
func (n *Node) Must(t testing.TB, method, path, key string, body []byte, header ...string) Reply {
	t.Helper()
	r, err := n.Call(method, path, key, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// Push sends one push to a project, whose API key is its name with "-key".
func (n *Node) Push(t testing.TB, project string, push []byte) Reply {
	t.Helper()
	return n.Must(t, http.MethodPost, "/v1/projects/"+project+"/push", project+"-key", push)
}

// Ready returns the answer of /readyz.
func (n *Node) Ready() (ready bool, why string) {
	r, err := n.Call(http.MethodGet, "/readyz", "", nil)
	if err != nil {
		return false, err.Error()
	}
	return r.Status == http.StatusOK, string(r.Body)
}

// WaitReady waits until the node is ready.
func (n *Node) WaitReady() {
	n.t.Helper()
	var last string
	Eventually(n.t, n.setup.Patience, func() string { return "the node is not ready: " + last }, func() (ok bool) {
		ok, last = n.Ready()
		return ok
	})
}

// Metric returns one sample of /metrics, as in Metric(t, `stentor_sessions`) or with its labels in braces.
func (n *Node) Metric(t testing.TB, sample string) float64 {
	t.Helper()
	r := n.Must(t, http.MethodGet, "/metrics", "", nil)
	for line := range strings.Lines(string(r.Body)) {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s (%d, %d bytes)", sample, r.Status, len(r.Body))
	return 0
}

// Token creates a token with the binary's own command and these additional options.
func (n *Node) Token(t testing.TB, project, user string, more ...string) string {
	t.Helper()
	out, err := Command(append([]string{"token", "--config", n.file, "--project", project, "--sub", user}, more...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
