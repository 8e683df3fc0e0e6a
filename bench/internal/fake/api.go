package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// push is the part of a push's body that the generator uses.
type push struct {
	Topic       string          `json:"topic"`
	User        string          `json:"user"`
	Destination string          `json:"destination"`
	Payload     json.RawMessage `json:"payload"`
}

func (p *push) to(s *Server) {
	if p.User != "" {
		s.PushUser(p.User, "/user"+p.Destination, p.Payload)
		return
	}
	s.Push(p.Topic, p.Payload)
}

// API is the HTTP API in front of s, for requests with this key.
func (s *Server) API(key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.reading.Load() {
			http.Error(w, "reading what there is in Kafka", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# TYPE stentor_history_bytes gauge\nstentor_history_bytes{project=\"bench\"} 1024\nstentor_kafka_lag 0\n")
		fmt.Fprintln(w, "stentor_history_pushes", s.Pushes())
		fmt.Fprintln(w, "stentor_connections", s.Sessions())
		fmt.Fprintln(w, "stentor_accepted_total", len(s.Tokens()))
		fmt.Fprintln(w, "stentor_directory_stale_seconds 0")
	})
	mux.HandleFunc("GET /v1/endpoints", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"endpoints":["ws://%s/ws"],"ttl_ms":10000,"spread_ms":0}`, s.Address())
	})
	mux.HandleFunc("GET /v1/projects/{project}/destinations", func(w http.ResponseWriter, r *http.Request) {
		const topic = "/topic/bench/all"
		fmt.Fprintf(w, `{"destinations":[{"destination":"/topic/other","subscriptions":1},{"destination":%q,"subscriptions":%d}],"total":2}`, topic, s.Subscriptions(topic))
	})
	mux.HandleFunc("POST /v1/projects/{project}/push", func(w http.ResponseWriter, r *http.Request) {
		var p push
		if !read(w, r, &p) {
			return
		}
		p.to(s)
		fmt.Fprint(w, `{"id":"x","position":"1-0-1"}`)
	})
	mux.HandleFunc("POST /v1/projects/{project}/push/batch", func(w http.ResponseWriter, r *http.Request) {
		var all []push
		if !read(w, r, &all) {
			return
		}
		for _, p := range all {
			p.to(s)
		}
		fmt.Fprintf(w, "[%s]", strings.TrimSuffix(strings.Repeat(`{"id":"x","position":"1-0-1","status":200},`, len(all)), ","))
	})
	mux.HandleFunc("GET /v1/projects/{project}/stats", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("project") == "none" {
			http.Error(w, `{"title":"there is no project none"}`, http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"sessions":%d}`, s.Sessions())
	})
	mux.HandleFunc("GET /v1/projects/{project}/sessions", func(w http.ResponseWriter, r *http.Request) {
		if id := r.FormValue("id"); s.has(id) {
			fmt.Fprintf(w, `{"sessions":[{"id":%q}]}`, id)
			return
		}
		fmt.Fprint(w, `{"sessions":[]}`)
	})
	mux.HandleFunc("DELETE /v1/projects/{project}/users/{user}/sessions", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"kicked":%d}`, s.Kick(r.PathValue("user")))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != "/v1/endpoints" && r.Header.Get("Authorization") != "Bearer "+key {
			http.Error(w, `{"title":"this key is not valid here"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}
