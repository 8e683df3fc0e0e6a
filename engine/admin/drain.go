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
		re, p := a.ofNode(r, id)
		if p != nil {
			return p
		}
		if re == nil {
			if _, p := bare(r); p != nil {
				return p
			}
			a.o.Node.Drain(on)
			a.o.Log.Info("drain of this node asked for", "on", on)
		}
		writeJSON(w, drained{id, on})
		return nil
	}
}

// ofNode lets an administrator's request pass, and another node's. A request about another node is passed to that node, and has its
// answer; nil is for this node.
func (a *api) ofNode(r *http.Request, id string) (*reply, *problem) {
	if signed(r) {
		if err := a.signs.check(r, "", a.o.Now()); err != nil {
			return nil, newProblem(http.StatusUnauthorized, codeAuth, "%s", err)
		}
	} else if p := a.administers(r); p != nil {
		return nil, p
	}
	if a.o.Directory != nil && id == a.o.Directory.Self() {
		return nil, nil
	}
	others := a.peers.others()
	i := slices.IndexFunc(others, func(n directory.Node) bool { return n.ID == id })
	if i < 0 || signed(r) {
		return nil, newProblem(http.StatusNotFound, codeNotFound, "there is no node %s that this one can ask: GET /v1/nodes lists them", quote(id))
	}
	re := a.peers.ask(r.Context(), &others[i], r.Method, target(r), nil)
	switch {
	case re.why != "":
		return nil, newProblem(http.StatusServiceUnavailable, codeUnavailable, "node %s did not answer (%s): ask it itself, or try again after Retry-After seconds", quote(id), re.why)
	case re.status != http.StatusOK:
		return nil, passOn(&re)
	}
	return &re, nil
}
