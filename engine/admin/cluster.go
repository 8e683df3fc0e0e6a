package admin

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// projectHandler is a handler of a path below a project.
type projectHandler = func(w http.ResponseWriter, r *http.Request, project string) *problem

// clustered lets this node alone answer a request that asks for it or comes from another node, or when there is no other
// node; otherwise all nodes answer.
func (a *api) clustered(alone, all projectHandler) projectHandler {
	return func(w http.ResponseWriter, r *http.Request, project string) *problem {
		if signed(r) {
			return alone(w, r, project)
		}
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil || !q.Has("node") {
			if err != nil || len(a.peers.others()) == 0 {
				return alone(w, r, project)
			}
			return all(w, r, project)
		}
		if len(q["node"]) > 1 || q.Get("node") != "local" {
			return badNode(q.Get("node"))
		}
		q.Del("node")
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
		return alone(w, r, project)
	}
}

func badNode(node string) *problem {
	return badField("node is %s: send local for this node alone, or leave it out for all nodes", quote(node))
}

// signed reports whether a request is of another node. One with a wrong signature was refused before.
func signed(r *http.Request) bool { return r.Header.Get(signatureHeader) != "" }

func target(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + r.URL.RawQuery
}

// gather lets this node answer a request, and then all others side by side. Each answer that arrived goes to use. It returns
// the nodes without one, or the problem to answer with when there is none.
func (a *api) gather(r *http.Request, project string, alone projectHandler, use func(node string, body []byte) error) (missing []Missing, p *problem) {
	others := a.peers.others()
	f, p := a.fanOut(r, a.asking(len(others)))
	if p != nil {
		return nil, p
	}
	defer f.end()
	all := []reply{a.here(r, project, alone)}
	if all[0].status != http.StatusBadRequest { // otherwise the others would answer the same
		f.asks(len(others))
		all = append(all, a.peers.askAll(r.Context(), others, r.Method, target(r))...)
	}
	return sortOut(all, use)
}

// allStats adds up the counts of all nodes.
func (a *api) allStats(w http.ResponseWriter, r *http.Request, project string) *problem {
	var sum statsOfAll
	missing, p := a.gather(r, project, a.stats, func(_ string, body []byte) error {
		var one Stats
		err := json.Unmarshal(body, &one)
		sum.add(one)
		return err
	})
	if p != nil {
		return p
	}
	sum.Missing = missing
	writeJSON(w, sum)
	return nil
}

// allDeliveries collects what each node did with a push.
func (a *api) allDeliveries(w http.ResponseWriter, r *http.Request, project string) *problem {
	var sum Delivery
	missing, p := a.gather(r, project, a.delivery, func(_ string, body []byte) error {
		var one Delivery
		if err := json.Unmarshal(body, &one); err != nil {
			return err
		}
		sum.ID, sum.Position, sum.Nodes = one.ID, one.Position, append(sum.Nodes, one.Nodes...)
		return nil
	})
	switch {
	case p != nil:
		return p
	case sum.Nodes == nil:
		return newProblem(http.StatusNotFound, codeNotFound,
			"no node that answered has a report of a push %s in project %s: nodes keep those of the latest pushes%s", quote(r.PathValue("id")), quote(project), unanswered(missing))
	}
	sum.Missing = missing
	writeJSON(w, sum)
	return nil
}

// kickAnywhere closes a session on whichever node has it.
func (a *api) kickAnywhere(w http.ResponseWriter, r *http.Request, project string) *problem {
	var sum kickedOfAll
	missing, p := a.gather(r, project, a.kick, sum.add)
	switch {
	case p != nil:
		return p
	case sum.Kicked == 0:
		return newProblem(http.StatusNotFound, codeNotFound, "project %s has no session %s on any node that answered: GET .../sessions lists them%s", quote(project), quote(r.PathValue("id")), unanswered(missing))
	}
	writeJSON(w, kicked{1})
	return nil
}

// kickUserEverywhere closes all sessions of a user.
func (a *api) kickUserEverywhere(w http.ResponseWriter, r *http.Request, project string) *problem {
	var sum kickedOfAll
	missing, p := a.gather(r, project, a.kickUser, sum.add)
	if p != nil {
		return p
	}
	sum.Missing = missing
	writeJSON(w, sum)
	return nil
}

func (k *kickedOfAll) add(_ string, body []byte) error {
	var one kicked
	err := json.Unmarshal(body, &one)
	k.Kicked += one.Kicked
	return err
}
