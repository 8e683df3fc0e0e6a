package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const (
	// MostShed is how many sessions a node closes in answer to one request. Its answer takes a second.
	MostShed    = 10_000
	defaultShed = 100
	// defaultShedAge keeps clients that were just moved from being moved again.
	defaultShedAge = 10 * time.Minute
	mostShedAge    = 24 * time.Hour
)

// Shed is the answer to POST /v1/nodes/{id}/shed.
type Shed struct {
	Node   string `json:"node"`
	Closed int    `json:"closed"`
	// More is false when no other session of the node could be closed.
	More bool `json:"more"`
}

// shed answers POST /v1/nodes/{id}/shed: a node sends some of its clients to others. Nothing goes on behind the answer, so that a
// caller who ends has nothing to cancel.
func (a *api) shed(w http.ResponseWriter, r *http.Request) *problem {
	id := r.PathValue("id")
	re, p := a.ofNode(r, id)
	if p != nil {
		return p
	}
	var done Shed
	if re != nil {
		if json.Unmarshal(re.body, &done) != nil {
			return newProblem(http.StatusServiceUnavailable, codeUnavailable, "node %s answered something else: ask it itself", quote(id))
		}
		writeJSON(w, done)
		return nil
	}
	q, p := bare(r, "count", "min_age_ms")
	if p != nil {
		return p
	}
	var err error
	count := defaultShed
	if text := q.Get("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > MostShed {
			return newProblem(http.StatusBadRequest, codeField, "count: found %s, allowed: 1 to %d", quote(text), MostShed)
		}
	}
	age := defaultShedAge.Milliseconds()
	if text := q.Get("min_age_ms"); text != "" {
		if age, err = strconv.ParseInt(text, 10, 64); err != nil || age < 0 || age > mostShedAge.Milliseconds() {
			return newProblem(http.StatusBadRequest, codeField, "min_age_ms: found %s, allowed: 0 to %d", quote(text), mostShedAge.Milliseconds())
		}
	}
	done.Node = id
	if done.Closed, done.More, err = a.o.Node.Shed(r.Context(), count, time.Duration(age)*time.Millisecond); err != nil {
		return a.nodeProblem(err, "")
	}
	writeJSON(w, done)
	return nil
}
