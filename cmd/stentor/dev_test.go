package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
)

// startDev runs a node for trials until the test ends.
func startDev(t *testing.T, settings ...string) *server {
	t.Helper()
	cfg, err := config.LoadDev(nil, append([]string{"listen.client=127.0.0.1:0", "listen.api=127.0.0.1:0"}, settings...))
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(cfg, true, &output{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, nil, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// A node for trials advertises its own address, unless the configuration names another.
func TestDevNodeAdvertisesItself(t *testing.T) {
	s := startDev(t)
	for _, address := range []string{s.apiAddr.Addr().String(), s.node.Addresses()[0].String()} {
		eventually(t, address+" does not name the node", func() bool {
			return strings.Contains(asks("http://"+address+"/v1/endpoints"), `["`+s.clients()[0]+`"]`)
		})
	}
	const other = "wss://push.example.com/ws"
	s = startDev(t, "advertise.clients="+other)
	eventually(t, "the node does not name the address of its configuration", func() bool {
		return strings.Contains(asks("http://"+s.apiAddr.Addr().String()+"/v1/endpoints"), `["`+other+`"]`)
	})
}

// The rate at which an address may ask for nodes is configured, and both ports count.
func TestEndpointsRate(t *testing.T) {
	s := startDev(t, "limits.endpoints_per_second=1", "limits.endpoints_burst=1")
	c := http.Client{Timeout: patience}
	for _, address := range []string{s.apiAddr.Addr().String(), s.node.Addresses()[0].String()} {
		eventually(t, address+" always answers", func() bool {
			r, err := c.Head("http://" + address + "/v1/endpoints")
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			return r.StatusCode == http.StatusTooManyRequests
		})
	}
}
