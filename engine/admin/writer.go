package admin

import (
	"net/http"
	"time"
)

// answerPause is how long a client may read nothing of an answer.
const answerPause = 10 * time.Second

// writer remembers the status of an answer. Each write has a deadline of its own. An answer to a request that was not
// read whole ends the connection: net/http would wait for the rest, which may never come.
type writer struct {
	http.ResponseWriter
	out    *http.ResponseController
	body   *incoming // nil when there is none
	conn   *conn     // nil without a Server
	status int       // 0 until the header was written
}

// newWriter watches r's body, which has grace to begin.
func newWriter(w http.ResponseWriter, r *http.Request, grace time.Duration) *writer {
	out := &writer{ResponseWriter: w, out: http.NewResponseController(w), conn: connOf(r.Context())}
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		out.body = &incoming{ReadCloser: r.Body, out: out.out, grace: grace, left: r.ContentLength}
		r.Body = out.body
	}
	return out
}

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if w.body != nil && w.body.left != 0 {
			w.Header().Set("Connection", "close")
			_ = w.out.SetReadDeadline(time.Unix(1, 0)) // what net/http wants to read of it fails at once
			if w.conn != nil {
				w.conn.abandon()
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	_ = w.out.SetWriteDeadline(time.Now().Add(answerPause))
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
