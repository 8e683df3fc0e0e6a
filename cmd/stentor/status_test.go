package main

import (
	"testing"
	"time"

	"stentor/cmd/stentor/config"
	"stentor/engine"
)

func TestStatus(t *testing.T) {
	s := newStatusSource(new(engine.Node), func() *config.Advertise {
		return &config.Advertise{Clients: []string{"wss://a/ws"}, API: "http://a"}
	})
	eventually(t, "no CPU time passes", func() bool { // by the wall's clock alone another process may have had the CPU
		for end := time.Now().Add(10 * time.Millisecond); time.Now().Before(end); {
		}
		return cpuTime()-s.cpu >= 20*time.Millisecond
	})
	got := s.status()
	if got.CPU <= 0 || got.CPU > 1 || got.Memory < 1<<20 || got.Version == "" || got.URLs[0] != "wss://a/ws" || got.API != "http://a" || got.Opening != 0 {
		t.Errorf("%+v", got)
	}
}
