package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence = regexp.MustCompile("(?ms)^```.*?^```")
	code  = regexp.MustCompile("`[^`\n]*`")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	title = regexp.MustCompile(`(?m)^#+ (.*)$`)
	sign  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks follows every link of the pages to a file of this tree and, behind a #, to a heading of the page.
func TestLinks(t *testing.T) {
	checked := 0
	for _, page := range allPages(t) {
		text := fence.ReplaceAllString(read(t, page), "")
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
			} else if anchor != "" && !headings(read(t, target))[anchor] {
				t.Errorf("%s: the link %s names no heading of that page", page, m[1])
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were found: is the expression for them still right?", checked)
	}
}

// allPages are the paths of the pages.
func allPages(t *testing.T) (pages []string) {
	t.Helper()
	for _, glob := range []string{"*.md", "docs/*.md", "tuning/*.md", "kafka/*.md", "clients/js/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", glob))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// headings are a page's anchors, made as GitHub makes them.
func headings(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range title.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		all[strings.ReplaceAll(sign.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmesAgree: the commands and examples of the Chinese README are those of the English one, in the same order, and
// so are its links, code and numbers, in an order of their own.
func TestReadmesAgree(t *testing.T) {
	english, chinese := readme(t, "README.md"), readme(t, "README.zh-CN.md")
	if len(english.blocks) < 8 || len(english.links) < 15 {
		t.Fatalf("only %d blocks and %d links were found", len(english.blocks), len(english.links))
	}
	if !slices.Equal(english.blocks, chinese.blocks) {
		t.Errorf("the blocks differ:\n%q\n%q", english.blocks, chinese.blocks)
	}
	if !slices.Equal(english.words, chinese.words) {
		t.Errorf("the code and numbers within the text differ:\n%q\n%q", english.words, chinese.words)
	}
	for to := range english.links {
		if !chinese.links[to] && to != "README.zh-CN.md" {
			t.Errorf("the Chinese one does not link to %s", to)
		}
	}
}

type readmeText struct {
	blocks []string // lines of code
	links  map[string]bool
	words  []string // code and numbers within the text, sorted
}

func readme(t *testing.T, name string) readmeText {
	t.Helper()
	r, fenced := readmeText{links: map[string]bool{}}, false
	for line := range strings.Lines(read(t, filepath.Join("..", "..", name))) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			r.blocks = append(r.blocks, line)
		default:
			r.words = append(r.words, code.FindAllString(line, -1)...)
			r.words = append(r.words, number.FindAllString(code.ReplaceAllString(line, ""), -1)...)
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			r.links[m[1]] = true
		}
	}
	slices.Sort(r.words)
	return r
}

var number = regexp.MustCompile(`[0-9]+([,.][0-9]+)*`)
