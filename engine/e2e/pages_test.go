package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stentor/engine/testkit"
)

// notRun has the commands of the pages that TestPages does not run, by how they begin, and why.
var notRun = map[string]string{
	"make test":               "this test is part of it",
	"make million":            "boots a virtual machine and takes 40 minutes; .ci/run does so with fewer connections",
	"sudo tuning/":            "changes the host; TestPage of tuning runs it on a copy",
	"sudo systemctl restart ": "needs a systemd that runs the node; make test-vm boots one",
	"systemctl show ":         "needs a systemd that runs the node; make test-vm boots one",
	"bin/stentor doctor --connections 1000000 --pid": "needs that node",
	"journalctl ":                           "needs a systemd that runs the node",
	"go test ":                              "the program is a test itself",
	"bin/stentor-bench run broadcast --url": "needs a second host; TestAgentsOnHosts runs several",
	"bin/stentor-bench run broadcast --receipts=false": "needs another server; make bench-spring runs it with Spring's",
}

// replaced has commands that another one stands for here, and why.
var replaced = map[string]string{
	"make run": "bin/stentor serve --dev --provider 127.0.0.1:8082", // it builds first
}

// statuses has commands that may end with more than 0, by how they begin.
var statuses = map[string][]int{
	"bin/stentor doctor":            {0, 1}, // 1: this host lacks something
	"tuning/check.sh":               {0, 1}, // likewise
	"bin/stentor-bench run connect": {0, 2}, // with --check, 2: this host lacks something
}

// optional are programs that only CI has to have, where kafka/dev/deps.sh installs Java.
var optional = map[string]bool{"java": true, "python3": true}

// TestPages runs the shell blocks of each page, in order, in one shell with a network and processes of its own: a page can
// be followed as it is written. A block whose first line is a comment with a file's name alone is that file. A block of
// JSON behind a shell block shows what the last command prints: it has these fields.
func TestPages(t *testing.T) {
	t.Parallel()
	inNamespace(t)
	pages := pageFiles(t)
	bench := filepath.Join(t.TempDir(), "stentor-bench")
	if out, err := exec.Command("go", "build", "-o", bench, "stentor/cmd/stentor-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var all []string // commands of all pages
	for _, page := range pages {
		blocks := pageBlocks(t, page)
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.language == "sh" }) {
			continue
		}
		for _, b := range blocks {
			if b.language == "sh" {
				all = append(all, b.commands()...)
			}
		}
		t.Run(strings.TrimPrefix(page, "../../"), func(t *testing.T) {
			t.Parallel()
			follow(t, newShell(t, bench), blocks)
		})
	}
	for _, begin := range slices.Concat(slices.Collect(maps.Keys(notRun)), slices.Collect(maps.Keys(replaced)), slices.Collect(maps.Keys(statuses))) {
		if !slices.ContainsFunc(all, func(command string) bool { return strings.HasPrefix(command, begin) }) {
			t.Errorf("no page has a command that begins with %q", begin)
		}
	}
}

// follow does what one page says.
func follow(t *testing.T, s *shell, blocks []block) {
	var last, asked string // what the last command printed, and the command if it only asks
	for _, b := range blocks {
		switch name := b.file(); {
		case name != "":
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.language == "sh":
			for _, command := range b.commands() {
				last, asked = s.do(t, b.line, command), ""
				if strings.HasPrefix(command, "curl ") && !strings.Contains(command, " -d ") {
					asked = command
				}
			}
		case b.language == "yaml":
			s.check(t, b)
		case b.language == "json":
			err := sameFields(b.text, last)
			if err != nil && asked != "" { // what nodes know of each other comes a moment after their start
				what := func() string { return fmt.Sprintf("line %d: %v\n%s", b.line, err, last) }
				testkit.Eventually(t, patience, what, func() bool {
					_, last = s.run(t, asked)
					err = sameFields(b.text, last)
					return err == nil
				})
			}
			if err != nil {
				t.Errorf("line %d: %v\n%s", b.line, err, last)
			}
		}
	}
	for n, command := range s.kept {
		if strings.HasPrefix(command, "bin/stentor sub ") { // the page pushes to it
			testkit.Eventually(t, patience, func() string { return "a message for " + command + "\n" + s.logs() }, func() bool { return s.log(n) != "" })
		}
	}
}

// check has the node's own command check a part of a configuration.
func (s *shell) check(t *testing.T, b block) {
	t.Helper()
	text := b.text
	if !strings.Contains(text, "\nprojects:") {
		text += "projects: {any: {anonymous: true}}\n"
	}
	if err := os.WriteFile(filepath.Join(s.dir, "part.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := s.run(t, "bin/stentor config check part.yaml"); status != 0 {
		t.Errorf("line %d: this is no part of a configuration:\n%s", b.line, out)
	}
}

// do runs one command, and returns what it printed.
func (s *shell) do(t *testing.T, line int, command string) string {
	t.Helper()
	for begin, reason := range notRun {
		if strings.HasPrefix(command, begin) {
			t.Logf("line %d: not run: %s: %s", line, command, reason)
			return ""
		}
	}
	if other := replaced[command]; other != "" {
		command = other
	}
	if program, _, _ := strings.Cut(command, " "); optional[program] && os.Getenv("CI") == "" {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("line %d: not run: %v", line, err)
			return ""
		}
	}
	if kind := serving.FindString(command); kind != "" && !strings.Contains(command, "--count") {
		s.keep(t, line, kind, command)
		return ""
	}
	allowed := []int{0}
	for begin, also := range statuses {
		if strings.HasPrefix(command, begin) {
			allowed = also
		}
	}
	status, out := s.run(t, command)
	if !slices.Contains(allowed, status) {
		t.Fatalf("line %d: %s\nended with %d:\n%s\n%s", line, command, status, out, s.logs())
	}
	return out
}

// serving are the commands that run until they are told to stop.
var serving = regexp.MustCompile(`^bin/stentor(-bench)? (serve|registry|cluster|provider|sub|agent)\b`)

// keep runs a command in the background, and returns when it serves. A node takes the place of the one before.
func (s *shell) keep(t *testing.T, line int, kind, command string) {
	t.Helper()
	ready := func() bool { return false }
	switch kind[strings.LastIndexByte(kind, ' ')+1:] {
	case "serve", "cluster":
		if s.node != "" {
			s.run(t, "kill "+s.node+" && wait "+s.node)
		}
		ports := []string{"8081"}
		if strings.Contains(command, "cluster") {
			ports = []string{"8081", "8083", "8085", "8086"}
		}
		ready = func() bool {
			for _, port := range ports {
				if status, _ := s.run(t, "curl -sf http://127.0.0.1:"+port+"/readyz"); status != 0 {
					return false
				}
			}
			return true
		}
	case "registry":
		ready = func() bool {
			status, _ := s.run(t, "curl -sf http://127.0.0.1:8090/healthz")
			return status == 0
		}
	case "provider":
		ready = func() bool {
			status, _ := s.run(t, "curl -sf http://127.0.0.1:8082/keys")
			return status == 0
		}
	case "sub":
		_, before := s.run(t, countSubscriptions)
		ready = func() bool {
			_, now := s.run(t, countSubscriptions)
			return now != before
		}
	case "agent":
		log := len(s.kept)
		ready = func() bool { return strings.Contains(s.log(log), "listening on") }
	}
	pid := s.background(t, command)
	if strings.Contains(kind, "serve") || strings.Contains(kind, "cluster") {
		s.node = pid
	}
	what := func() string { return fmt.Sprintf("line %d: %s serves\n%s", line, command, s.logs()) }
	testkit.Eventually(t, patience, what, ready)
}

const countSubscriptions = `for port in 8081 8083 8085; do curl -s http://127.0.0.1:$port/metrics | grep '^stentor_subscriptions '; done; true`

// block is a fenced one of a page.
type block struct {
	line           int // its first
	language, text string
}

var named = regexp.MustCompile(`^(?:#|//) ([a-zA-Z0-9][-\w.]*\.(?:yaml|py|go|java|sh|json))\n`)

// file is the name of the file that the block is, "" if it is none.
func (b block) file() string {
	if m := named.FindStringSubmatch(b.text); m != nil {
		return m[1]
	}
	return ""
}

// commands are a shell block's: lines, with those that a backslash or an open quote joins.
func (b block) commands() (all []string) {
	var command string
	for line := range strings.Lines(b.text) {
		command += line
		if strings.HasSuffix(command, "\\\n") || strings.Count(command, "'")%2 == 1 {
			continue
		}
		if command = strings.TrimSpace(comment.ReplaceAllString(command, "")); command != "" {
			all = append(all, command)
		}
		command = ""
	}
	return all
}

var comment = regexp.MustCompile(`(^|\s+)# .*\n$`)

// pageFiles are the pages whose blocks are run.
func pageFiles(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 9 {
		t.Fatalf("there are %d pages: %v", len(pages), err)
	}
	return append(pages, "../../README.md", "../../CONTRIBUTING.md")
}

// pageBlocks reads the blocks of a page. Code that is not fenced, or whose language is not said, would be run by nobody.
func pageBlocks(t *testing.T, page string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var b *block
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && b == nil:
			if language == "" {
				t.Errorf("%s:%d: this block has no language: sh is run, text is for people", page, n)
			}
			b = &block{line: n + 1, language: language}
		case fence:
			all, b = append(all, *b), nil
		case b != nil:
			b.text += line
		case strings.HasPrefix(line, "    "):
			t.Errorf("%s:%d: this code has no fence with a language: sh is run, text is for people", page, n)
		}
	}
	return all
}

// sameFields says whether what a command printed has the fields that the page shows, in every object; values may differ.
func sameFields(shown, printed string) error {
	var want, got any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return fmt.Errorf("what the page shows: %w", err)
	}
	start := strings.IndexAny(printed, "{[")
	if start < 0 {
		return fmt.Errorf("no JSON was printed")
	}
	if err := json.NewDecoder(bytes.NewBufferString(printed[start:])).Decode(&got); err != nil {
		return fmt.Errorf("what was printed: %w", err)
	}
	return compare("", want, got)
}

func compare(path string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		if a, b := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(object)); !slices.Equal(a, b) {
			return fmt.Errorf("the page shows the fields %v%q, the command printed %q", path, a, b)
		}
		for name, value := range want {
			if err := compare(path+"."+name, value, object[name]); err != nil {
				return err
			}
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			return fmt.Errorf("the page shows %d elements of %s, the command printed %d", len(want), path, len(list))
		}
		for i := range want {
			if err := compare(fmt.Sprintf("%s[%d]", path, i), want[i], list[i]); err != nil {
				return err
			}
		}
	case string:
		if _, ok := got.(string); !ok {
			return fmt.Errorf("the page shows a text at %s, the command printed %v", path, got)
		}
	default:
		if got != want && (path == ".code" || path == ".status") {
			return fmt.Errorf("the page shows %v at %s, the command printed %v", want, path, got)
		}
	}
	return nil
}
