package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var said = regexp.MustCompile("(?m)^\\|[^|]*`([^`|]* [^`|]*)`[^|]*\\|")

var metricName = regexp.MustCompile("stentor_[a-z_]+")

// TestMetricNames: each metric that a page names stands in the code, there with its prefix or where a function adds it.
func TestMetricNames(t *testing.T) {
	code := source(t, "cmd/stentor/*.go", "engine/*.go", "engine/*/*.go", "kafka/*.go", "bench/gen/metrics/*.go")
	checked := 0
	for _, page := range allPages(t) {
		for _, name := range metricName.FindAllString(read(t, page), -1) {
			checked++
			rest := strings.TrimPrefix(name, "stentor_")
			known := false
			for _, part := range []string{name, rest, strings.TrimSuffix(rest, "_total"), strings.TrimPrefix(rest, "kafka_")} {
				known = known || strings.Contains(code, `"`+part+`"`)
			}
			if !known {
				t.Errorf("%s names the metric %s, which no code has", page, name)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d names of metrics were found", checked)
	}
}

// source is the text of these files, without the tests.
func source(t *testing.T, globs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, glob := range globs {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(glob)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", glob, err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				all.WriteString(read(t, f))
			}
		}
	}
	return all.String()
}

// TestTroubleshootingQuotes: what the tables of docs/troubleshooting.md quote of the node stands in its code. "..." is for
// what differs from one time to the next.
func TestTroubleshootingQuotes(t *testing.T) {
	code := source(t, "engine/*.go", "engine/*/*.go", "kafka/*.go")
	page := read(t, filepath.Join("..", "..", "docs", "troubleshooting.md"))
	checked := 0
	for _, m := range said.FindAllStringSubmatch(page, -1) {
		for part := range strings.SplitSeq(m[1], "...") {
			if part = strings.TrimSpace(part); part != "" {
				checked++
				if !strings.Contains(code, part) {
					t.Errorf("docs/troubleshooting.md quotes %q, which no code says", part)
				}
			}
		}
	}
	if checked < 12 {
		t.Errorf("only %d quotes were found: is the expression for them still right?", checked)
	}
}
