package admin

import "net/http"

// status is the answer of the health checks.
type status struct {
	Status string `json:"status"`
}

// healthz says that the process serves requests: restarting it would not help.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) *problem {
	writeJSON(w, status{"ok"})
	return nil
}

// readyz says whether a balancer may send new clients here.
func (a *api) readyz(w http.ResponseWriter, _ *http.Request) *problem {
	if err := a.o.Node.Ready(); err != nil {
		return newProblem(http.StatusServiceUnavailable, codeNotReady, "not ready: %s", err)
	}
	writeJSON(w, status{"ready"})
	return nil
}

// exposition serves the metrics in Prometheus' own formats.
func (a *api) exposition(h http.Handler) handler {
	serve := a.listing(func(w http.ResponseWriter, r *http.Request, _ string) *problem {
		h.ServeHTTP(w, r)
		return nil
	})
	return func(w http.ResponseWriter, r *http.Request) *problem { return serve(w, r, "") }
}
