package spring

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// script is a command that stands for java.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAppThatEndsSaysWhy(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _, err := startApp(ctx, script(t, `echo "no such jar: $3"; exit 3`), "push.jar", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such jar: push.jar") {
		t.Error(err)
	}
}

func TestAppThatNeverListensIsEnded(t *testing.T) {
	dir := t.TempDir()
	begun := filepath.Join(dir, "begun")
	if err := unix.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = os.ReadFile(begun) // returns when the process has written; an error shows below
		cancel()
	}()
	_, _, err := startApp(ctx, script(t, "echo > "+begun+"; exec sleep 600"), "push.jar", dir)
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Error(err)
	}
}

type still struct{}

func (still) RSS() (int64, error)         { return 12345, nil }
func (still) CPU() (time.Duration, error) { return 1500 * time.Millisecond, nil }

func TestMetrics(t *testing.T) {
	url, s, err := metrics(still{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := http.Client{Timeout: time.Minute}
	a, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nprocess_resident_memory_bytes 12345\n", "\nprocess_cpu_seconds_total 1.500000\n"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestOptions(t *testing.T) {
	java := script(t, "exit")
	for name, change := range map[string]func(*Options){
		"nothing to compare": func(o *Options) { o.Connections = nil },
		"from 1 up":          func(o *Options) { o.Deliveries = []int{5, 0} },
		"too short":          func(o *Options) { o.Duration = time.Second },
		"nowhere":            func(o *Options) { o.Java = "/nowhere/java" },
	} {
		o := Options{Stentor: java, Java: java, Connections: []int{5}, Deliveries: []int{5}, Duration: time.Minute}
		if err := o.check(); err != nil {
			t.Fatal(err)
		}
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
