package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
)

// status is the answer of the health checks.
type status struct {
	Status string `json:"status"`
}

// healthz reports that the process serves requests: a restart would not help.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) *problem {
	writeJSON(w, status{"ok"})
	return nil
}

// readyz reports whether a balancer may send new clients here.
func (a *api) readyz(w http.ResponseWriter, _ *http.Request) *problem {
	if err := a.o.Node.Ready(); err != nil {
		return newProblem(http.StatusServiceUnavailable, codeNotReady, "not ready: %s", err)
	}
	answer := readiness{Status: "ready"}
	unserved := a.o.Node.Unserved()
	for _, name := range slices.Sorted(maps.Keys(unserved)) {
		if len(answer.Unserved) == mostUnserved {
			answer.More = len(unserved) - mostUnserved
			break
		}
		answer.Unserved = append(answer.Unserved, unservedProject{name, unserved[name].Error()})
	}
	writeJSON(w, answer)
	return nil
}

// mostUnserved bounds how many projects are named: a balancer asks every second, and nobody reads hundreds.
const mostUnserved = 20

// readiness is the answer of a node that is ready.
type readiness struct {
	Status   string            `json:"status"`
	Unserved []unservedProject `json:"unserved,omitempty"`
	More     int               `json:"more,omitempty"` // that are not named
}

type unservedProject struct {
	Project string `json:"project"`
	Why     string `json:"why"`
}

// exposition serves the metrics in Prometheus' text format. Anybody may ask: the text is made once for many, and what slow
// readers hold of it is bounded.
func (a *api) exposition(source http.Handler) handler {
	all := &scrapes{source: source}
	return func(w http.ResponseWriter, r *http.Request) *problem {
		ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
		defer cancel()
		one, err := all.get(ctx)
		if err != nil {
			return newProblem(http.StatusServiceUnavailable, codeTimeout, "the metrics were not gathered in time: try again after Retry-After seconds")
		}
		if one.status != http.StatusOK {
			a.o.Log.Error("the metrics cannot be gathered", "error", one.text.String())
			return newProblem(http.StatusInternalServerError, codeInternal, "the metrics cannot be gathered: the log has the reason")
		}
		owner, size := stranger(r), int64(one.text.Len())
		if p := a.memory.take(owner, size); p != nil {
			return p
		}
		defer a.memory.give(owner, size)
		writeBody(w, http.StatusOK, one.header.Get("Content-Type"), one.text.Bytes())
		return nil
	}
}

// stranger is the owner of a request without a key; it equals no project's name.
func stranger(r *http.Request) string {
	if c := connOf(r.Context()); c != nil {
		return "address " + c.address
	}
	return "address"
}
