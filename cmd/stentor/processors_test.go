package main

import (
	"log/slog"
	"runtime"
	"testing"

	"stentor/cmd/stentor/config"
)

// TestSpareProcessor: the API always has a processor that no loop waits with.
func TestSpareProcessor(t *testing.T) {
	c, err := config.LoadDev(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts, err := nodeOptions(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if processors := runtime.GOMAXPROCS(0); opts.Loops != processors-1 {
		t.Errorf("%d loops with %d processors", opts.Loops, processors)
	}
	if again := loops(); again != opts.Loops {
		t.Errorf("another node of this process has %d loops, the first one %d", again, opts.Loops)
	}
}
