package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var said = regexp.MustCompile("(?m)^\\|[^|]*`([^`|]* [^`|]*)`[^|]*\\|")

// TestTroubleshootingQuotes: what the tables of docs/troubleshooting.md quote of the node stands in its code. "..." is for
// what differs from one time to the next.
func TestTroubleshootingQuotes(t *testing.T) {
	var source strings.Builder
	for _, glob := range []string{"engine/*.go", "engine/admin/*.go", "kafka/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(glob)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				source.WriteString(read(t, f))
			}
		}
	}
	page := read(t, filepath.Join("..", "..", "docs", "troubleshooting.md"))
	checked := 0
	for _, m := range said.FindAllStringSubmatch(page, -1) {
		for part := range strings.SplitSeq(m[1], "...") {
			if part = strings.TrimSpace(part); part != "" {
				checked++
				if !strings.Contains(source.String(), part) {
					t.Errorf("docs/troubleshooting.md quotes %q, which no code says", part)
				}
			}
		}
	}
	if checked < 12 {
		t.Errorf("only %d quotes were found: is the expression for them still right?", checked)
	}
}
