package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// newAPI is a server that has only an API, whose posts all go to answer, one at a time.
func newAPI(t *testing.T, answer func(w http.ResponseWriter, body []byte)) *Server {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer(w, b)
	}))
	t.Cleanup(h.Close)
	return &Server{api: h.URL, http: h.Client()}
}
