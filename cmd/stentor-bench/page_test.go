package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/result"
)

// save writes the result of a run to a folder.
func save(t *testing.T, path string, format int, delivered int64) {
	t.Helper()
	r := result.Result{
		Format: format, Scenario: "broadcast", Started: time.Unix(1000, 0).UTC(), Seconds: 1, Generators: []result.Generator{{Host: filepath.Base(path)}},
		Phases: []result.Phase{{Name: "push", Seconds: 1, Totals: result.Totals{Delivered: delivered}}},
		Series: []result.Second{{At: 1, Totals: result.Totals{Delivered: delivered}}},
	}
	r.Judge()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// drawn runs the command and returns the page that it has written.
func drawn(t *testing.T, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.html")
	c := reportCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append(args, "-o", file))
	err := c.Execute()
	text, _ := os.ReadFile(file)
	return string(text), err
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "ours.json"), filepath.Join(dir, "theirs.json")
	save(t, a, result.Format, 1000)
	save(t, b, result.Format, 234)

	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"one":     {[]string{a}, []string{"all 1,000 messages"}},
		"several": {[]string{a, b}, []string{"theirs (× ours)", "all 1,000 messages", "all 234 messages"}},
		"merged":  {[]string{"--merge", a, b}, []string{"all 1,234 messages", "ours.json", "theirs.json"}},
		"same":    {[]string{a, a}, []string{a}},
	} {
		text, err := drawn(t, c.args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
}

func TestReportErrors(t *testing.T) {
	dir := t.TempDir()
	other, broken, foreign := filepath.Join(dir, "other.json"), filepath.Join(dir, "broken.json"), filepath.Join(dir, "foreign.json")
	save(t, other, 99, 1)
	for path, text := range map[string]string{broken: "{", foreign: `{"a":1}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, file := range map[string]string{
		"other: the result has format 99": other, "broken.json: unexpected end": broken, "foreign.json: it is not a result": foreign, "no such file": filepath.Join(dir, "none.json"),
	} {
		text, err := drawn(t, file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if text != "" {
			t.Errorf("%s: a page was written", file)
		}
	}
}

func TestMergeOfTwoRuns(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.json"), filepath.Join(dir, "second.json")
	save(t, first, result.Format, 1000)
	save(t, second, result.Format, 1000)
	r, err := readResult(second)
	if err != nil {
		t.Fatal(err)
	}
	r.Started = r.Started.Add(time.Minute)
	if err := writeJSON(second, r); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]string{{first, second}, {second, first}} {
		if _, err := drawn(t, append([]string{"--merge"}, files...)...); err == nil || !strings.Contains(err.Error(), "second began when first had ended") {
			t.Errorf("%v", err)
		}
	}
}
