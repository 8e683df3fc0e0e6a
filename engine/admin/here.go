package admin

import (
	"bytes"
	"net/http"
	"runtime/debug"
)

// here makes this node answer a request itself, into memory.
func (a *api) here(r *http.Request, project string, h projectHandler) (re reply) {
	w := &memory{header: http.Header{}}
	defer func() { // it may run on a goroutine of its own, where nobody else would catch it
		if v := recover(); v != nil {
			a.metrics.panics.Inc()
			a.o.Log.Error("panic in an API handler", "route", r.URL.Path, "method", r.Method, "panic", v, "stack", string(debug.Stack()))
			re = reply{node: a.peers.o.Self, why: "a bug: its log has the reason"}
		}
	}()
	if p := h(w, r, project); p != nil {
		p.write(w)
	}
	return reply{node: a.peers.o.Self, status: w.status, body: w.body.Bytes()}
}

// memory takes an answer.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (m *memory) Header() http.Header { return m.header }

func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

func (m *memory) Write(b []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(b)
}
