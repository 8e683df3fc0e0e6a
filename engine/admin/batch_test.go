package admin

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"stentor/engine/bus"
)

const batchPath = "/v1/projects/shop/push/batch"

// line is any answer within a batch.
type line struct {
	Status   int
	ID       string
	Position string
	Code     string
	Detail   string
	Pushes   []outcome
}

func wantLines(t *testing.T, w *httptest.ResponseRecorder, want ...string) []line {
	t.Helper()
	var all []line
	if strings.HasPrefix(w.Header().Get("Content-Type"), ndjsonMedia) {
		for text := range strings.Lines(w.Body.String()) {
			var one line
			if err := json.Unmarshal([]byte(text), &one); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			all = append(all, one)
		}
	} else {
		wantJSON(t, w, &all)
	}
	var got []string
	for _, one := range all {
		got = append(got, fmt.Sprintf("%d %s %s%s", one.Status, one.ID, one.Position, one.Code))
	}
	if w.Code != 200 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d %q, want %q", w.Code, got, want)
	}
	return all
}

func TestBatch(t *testing.T) {
	h, node, _ := newTest(t, nil)
	body := `[ {"topic":"all","payload":1,"id":"a"} ,{"topic":"all"},{"topics":["b","c"],"payload":"x","id":"m"},7,
		{"topic":"/topic/chat/all","payload":1},{"topic":"all","payload":"` + strings.Repeat("x", 1001) + `"},{"user":"ann","destination":"/queue/x","payload":{},"id":"z"}]`
	all := wantLines(t, do(h, request("POST", batchPath, body)),
		"200 a 1-0-1", "400  field", "200 m 1-0-3", "400  json", "403  forbidden", "413  too-large", "200 z 1-0-4")
	if len(all[2].Pushes) != 2 || all[2].Pushes[1].ID != "m#2" {
		t.Errorf("several targets: %+v", all[2])
	}
	var order []string
	for _, r := range node.taken() {
		order = append(order, r.ID)
	}
	if fmt.Sprint(order) != "[a m#1 m#2 z]" {
		t.Errorf("published in the order %s", order)
	}
	wantLines(t, do(h, request("POST", batchPath, "[]")))
}

func TestBatchLines(t *testing.T) {
	h, node, _ := newTest(t, nil)
	body := `{"topic":"all","payload":1,"id":"a"}` + "\r\n\n" + `{"topic":` + "\n" + `[]` + "\n" + "\xff\n" + `{"topic":"all","payload":2,"id":"b"}`
	ndjson := "Content-Type: " + ndjsonMedia
	w := do(h, request("POST", batchPath, body, ndjson))
	wantLines(t, w, "200 a 1-0-1", "400  json", "400  json", "400  json", "200 b 1-0-2")
	if w.Header().Get("Content-Type") != ndjsonMedia || len(node.taken()) != 2 {
		t.Errorf("%s, %d records", w.Header().Get("Content-Type"), len(node.taken()))
	}
	wantLines(t, do(h, request("POST", batchPath, "\n", ndjson)))
}

// TestBatchIDs sends a batch twice under one key: nothing is published twice.
func TestBatchIDs(t *testing.T) {
	h, node, _ := newTest(t, nil)
	body := `[{"topic":"all","payload":1},{"topics":["b"],"payload":1},{"topic":"all","payload":1,"id":"own"}]`
	for range 2 {
		wantLines(t, do(h, request("POST", batchPath, body, "Idempotency-Key: k")), "200 k#1 1-0-1", "200 k#2 1-0-2", "200 own 1-0-3")
	}
	if len(node.taken()) != 3 || node.taken()[1].ID != "k#2#1" {
		t.Errorf("records %+v", node.taken())
	}
}

func TestBatchBusy(t *testing.T) {
	h, node, _ := newTest(t, nil)
	node.publish = func(r *bus.Record, done func(bus.Position, error)) bool {
		if r.ID != "b" {
			return false
		}
		done(bus.Position{}, bus.ErrRateLimited)
		return true
	}
	w := do(h, request("POST", batchPath, `[{"topic":"all","payload":1,"id":"a"},{"topic":"all","payload":1,"id":"b"},{"topic":"all","payload":1,"id":"c"}]`))
	wantLines(t, w, "200 a 1-0-1", "429 b limit", "200 c 1-0-2")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestBatchRefused(t *testing.T) {
	h, node, _ := newTest(t, nil)
	wantProblem(t, do(h, request("POST", batchPath, `{"topic":"all","payload":1}`)), 400, codeJSON, "not an object")
	wantProblem(t, do(h, request("POST", batchPath, `[{"topic":"all","payload":1},`)), 400, codeJSON, "at byte")
	wantProblem(t, do(h, request("POST", batchPath, `[]`, "Content-Type: text/plain")), 415, codeMediaType, "application/x-ndjson")
	wantProblem(t, do(h, request("POST", batchPath, `[]`, "Idempotency-Key: #")), 400, codeField, "Idempotency-Key")
	wantProblem(t, do(h, request("POST", batchPath, strings.Repeat(" ", 4001))), 413, codeTooLarge, "4000")
	if n := len(node.taken()); n != 0 {
		t.Errorf("%d records were published", n)
	}
}

func TestBatchBound(t *testing.T) {
	h, node, _ := newTest(t, func(o *Options) { o.BatchBytes = 1 << 20 })
	many := func(n int) string {
		return "[" + strings.Repeat(`{"topic":"all","payload":1},`, n-1) + `{"topics":["a","b"],"payload":1}]`
	}
	wantProblem(t, do(h, request("POST", batchPath, many(maxBatch))), 413, codeTooLarge, "more than 10000")
	if n := len(node.taken()); n != 0 {
		t.Errorf("%d records were published", n)
	}
	if w := do(h, request("POST", batchPath, many(maxBatch-1))); w.Code != 200 || len(node.taken()) != maxBatch {
		t.Errorf("%d, %d records", w.Code, len(node.taken()))
	}
}
