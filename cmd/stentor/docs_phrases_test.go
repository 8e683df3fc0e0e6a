package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// phrases are what native readers stumble over, and what to write instead. They come back in no page, text or comment.
var phrases = []struct{ found, write string }{
	{"wants no rights", "needs no privileges"},
	{"asked for it has it", "is delivered to every subscriber"},
	{"gap that is none", "a gap that does not exist"},
	{"another than before", "was recreated, has changed"},
	{"only --dev is there", "only --dev is supported"},
	{"kept elsewhere than", "is not where ... expects it"},
	{"trying it out", "trials"},
	{"come what may", "whatever happens"},
	{"made anew", "replaced, created again"},
	{"is no more there", "no longer exists"},
	{"is there already", "already exists"},
	{"did not take them in time", "was too slow"},
	{"not yours to", "you may not"},
	{"let go of meanwhile", "evicted in the meantime"},
	{"unloose", "attach, endDetach"},
	{"speaks no TLS", "does not support TLS"},
	{"wants a machine", "needs an idle machine"},
	{"what mends it", "how to fix it"},
	{"nothing was to do", "nothing to do"},
	{"what was is", "the old values are"},
	{"slip of the pen", "typing mistake"},
	{"sign of life", "heartbeat"},
	{"signs of life", "heartbeats"},
}

// TestPlainEnglish looks for the phrases in the pages and in all code.
func TestPlainEnglish(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "node_modules", "bin", ".cache":
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".sh", ".yaml", ".yml", ".js", ".html":
		default:
			return nil
		}
		if d.Name() == "docs_phrases_test.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		words := onOneLine(string(text))
		for _, p := range phrases {
			if !strings.Contains(words, p.found) {
				continue // the expression is a hundred times slower
			}
			found := regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(regexp.QuoteMeta(p.found), " ", `\s+(?://\s*|#\s*)?`))
			if at := found.FindIndex(text); at != nil {
				t.Errorf("%s:%d: instead of %q write: %s", path, 1+strings.Count(string(text[:at[0]]), "\n"), p.found, p.write)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("only %d files were read", files)
	}
}

// onOneLine is a text in small letters, with one space between words, and none of the marks with which comments begin.
func onOneLine(text string) string {
	words := strings.Fields(strings.ToLower(text))
	kept := words[:0]
	for _, w := range words {
		if w = strings.TrimPrefix(strings.TrimPrefix(w, "//"), "#"); w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}
