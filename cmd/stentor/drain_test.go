package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDrain(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		text := `{"node":"push-2","draining":true}` + "\n"
		if r.Method == http.MethodGet {
			left := map[int]string{2: "7", 3: "0"}[len(asked)]
			text = `{"nodes":[{"id":"push-1","state":"up","connections":5},{"id":"push-2","state":"up","draining":true,"connections":` + left + `}]}`
		}
		_, _ = w.Write([]byte(text))
	}))
	defer s.Close()
	if got := cli(t, "drain", "push-2", "--api", s.URL, "--key", "k"); got != (result{exitOK, "", "push-2: 7 connections\npush-2: 0 connections\n"}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "drain", "push-2", "--api", s.URL, "--key", "k", "--no-wait", "--json"); got != (result{exitOK, `{"node":"push-2","draining":true}` + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "drain", "push-2", "--api", s.URL, "--key", "k", "--cancel"); got != (result{exitOK, "", "push-2 takes clients again\n"}) {
		t.Errorf("%+v", got)
	}
	const path = " /v1/nodes/push-2/drain"
	if got, want := strings.Join(asked, ", "), "POST"+path+", GET /v1/nodes, GET /v1/nodes, POST"+path+", DELETE"+path; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := cli(t, "drain", "--key", "k"); got.code != exitUsage {
		t.Errorf("%+v", got)
	}
}
