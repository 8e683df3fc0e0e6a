package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stentor/bench/gen/result"
	"stentor/bench/machine/server"
)

// command runs the program's command line and returns what it printed.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := rootCommand()
	var out bytes.Buffer
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// startNode starts a node and returns the flags that find it.
func startNode(t *testing.T) []string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stentor")
	if out, err := exec.Command("go", "build", "-o", binary, "stentor/cmd/stentor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := server.NewCredentials()
	s, _, err := server.Start(t.Context(), binary, t.TempDir(), server.Config{Credentials: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return []string{"-q", "--url=ws://" + s.Client.String() + server.Path, "--api=" + s.API(), "--api-key=" + c.APIKey, "--project=" + server.Project,
		"--open-rate=0", "--connections=20", "--rate=10", "--duration=500ms"}
}

func TestRun(t *testing.T) {
	flags := startNode(t)
	file := filepath.Join(t.TempDir(), "run.json")
	out, err := command(t, append([]string{"run", "broadcast", "--json=" + file}, flags...)...)
	if err != nil || !strings.Contains(out, "good:") || !strings.Contains(out, "PHASE") {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	var r result.Result
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || !r.Verdict.Good || r.Settings["connections"] != "20" || r.Scenario != "broadcast" {
		t.Errorf("%v %+v", err, r)
	}

	// What is kept to, and what is not, in words, JSON and HTML.
	html := file + ".html"
	out, err = command(t, append([]string{"run", "broadcast", "--json=" + file, "--html=" + html, "--threshold=p99<1ns,lost<1", "--threshold=max<1h"}, flags...)...)
	const says = "threshold p99&lt;1ns is not kept: "
	page, _ := os.ReadFile(html)
	if exitCode(err) != exitBad || !strings.Contains(out, "BAD: threshold p99<1ns is not kept: ") || !strings.Contains(out, "threshold lost<1: 0\n") || !strings.Contains(string(page), says) {
		t.Errorf("%v\n%s", err, out)
	}
	if saved, err := readResult(file); err != nil || len(saved.Thresholds) != 3 || saved.Thresholds[0].Kept || !saved.Thresholds[1].Kept || !saved.Thresholds[2].Kept {
		t.Errorf("%v %+v", err, saved)
	}

	// A back end that takes every push and hands none on.
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer sink.Close()
	out, err = command(t, append([]string{"run", "broadcast", "--json=-", "--push-url=" + sink.URL, "--settle=200ms"}, flags...)...)
	if exitCode(err) != exitBad {
		t.Errorf("lost messages: %v", err)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Verdict.Good || r.Total().Order.Lost != 100 {
		t.Errorf("%v\n%s", err, out)
	}
	t.Run("file", func(t *testing.T) { testFile(t, flags) })
}

func testFile(t *testing.T, flags []string) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("scenario: connect\nhold: 10ms\nconnections: 7\njson: "+file+".json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, append([]string{"run", file}, flags...)...)
	if err != nil || !strings.HasPrefix(out, "connect, ") || !strings.Contains(out, "20 connections") { // the flag wins
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := readResult(file + ".json"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("hold: 10ms\nholt: 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, "run", file); err == nil || !strings.Contains(err.Error(), "a.yaml:2: holt") {
		t.Errorf("%v", err)
	}
}

func TestRunMistakes(t *testing.T) {
	away := filepath.Join(t.TempDir(), "nowhere", "run")
	for want, args := range map[string][]string{
		"there is no scenario":       {"run", "storm"},
		"allowed: one scenario":      {"run"},
		`found "x", allowed`:         {"run", "connect", "--connections=x"},
		"unknown flag: --connection": {"run", "connect", "--connection=5"},
		"unknown command":            {"ran"},
		"descriptors":                {"million", "--check", "--connections=10000000"},
		"p50, p90, p99":              {"run", "connect", "--threshold=p98<1s"},
		"--prometheus: listen":       {"run", "connect", "--prometheus=127.0.0.1:x"},
		"shows what this process":    {"run", "connect", "--prometheus=127.0.0.1:0", "--agents=a:1"},
		"with their share":           {"run", "connect", "--check", "--connections=7", "--agents=a:1,b:1"},
		away + ".json":               {"run", "connect", "--json=" + away + ".json"},
		away + ".html":               {"run", "connect", "--html=" + away + ".html"},
	} {
		if out, err := command(t, args...); err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != exitNotBegun {
			t.Errorf("%q: %v (%d)\n%s", args, err, exitCode(err), out)
		}
	}
	if out, err := command(t, "run", "connect", "--check", "--connections=10"); err != nil || !strings.Contains(out, "10 connections") {
		t.Errorf("%v %s", err, out)
	}
}
