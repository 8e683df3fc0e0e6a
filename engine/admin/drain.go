package admin

import (
	"net/http"
	"slices"

	"stentor/engine/directory"
)

// drained is the answer to POST and DELETE /v1/nodes/{id}/drain.
type drained struct {
	Node     string `json:"node"`
	Draining bool   `json:"draining"`
}

// drain answers POST /v1/nodes/{id}/drain, which sends a node's clients away, and DELETE, which makes it accept clients
// again. Any node of the cluster may be asked.
func (a *api) drain(on bool) handler {
	return func(w http.ResponseWriter, r *http.Request) *problem {
		id := r.PathValue("id")
		if signed(r) {
			if err := a.signs.check(r, "", a.o.Now()); err != nil {
				return newProblem(http.StatusUnauthorized, codeAuth, "%s", err)
			}
		} else if p := a.administers(r); p != nil {
			return p
		}
		if a.o.Directory != nil && id == a.o.Directory.Self() {
			a.o.Node.Drain(on)
			a.o.Log.Info("drain of this node asked for", "on", on)
			writeJSON(w, drained{id, on})
			return nil
		}
		others := a.peers.others()
		i := slices.IndexFunc(others, func(n directory.Node) bool { return n.ID == id })
		if i < 0 || signed(r) {
			return newProblem(http.StatusNotFound, codeNotFound, "there is no node %s that this one can ask: GET /v1/nodes lists them", quote(id))
		}
		re := a.peers.ask(r.Context(), &others[i], r.Method, r.URL.EscapedPath())
		switch {
		case re.err != nil:
			return newProblem(http.StatusServiceUnavailable, codeUnavailable, "node %s did not answer: ask it itself, or try again after Retry-After seconds", quote(id))
		case re.status != http.StatusOK:
			return passOn(&re)
		}
		writeJSON(w, drained{id, on})
		return nil
	}
}
