package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	apiPath   = regexp.MustCompile(`^  (/\S*):$`)
	apiMethod = regexp.MustCompile(`^    (get|post|put|patch|delete):$`)
	apiStatus = regexp.MustCompile(`^        "([0-9]{3})":$`)
	apiCodes  = regexp.MustCompile(`(?m)^      enum: \[(json, .*)\]$`)
)

// TestEndpoints: docs/push-api.md has a row for each operation of the API's description, with all statuses of its answers,
// and names each code of a problem.
func TestEndpoints(t *testing.T) {
	page := read(t, filepath.Join("..", "..", "docs", "push-api.md"))
	api := read(t, filepath.Join("..", "..", "engine", "admin", "openapi.yaml"))
	answers, operations := operations(api)
	if len(operations) < 10 {
		t.Fatalf("only %d operations were found: are the expressions for them still right?", len(operations))
	}
	for _, o := range operations {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta("`"+o+"`") + ` \| [^|]+ \| (.*) \|$`).FindStringSubmatch(page)
		if row == nil {
			t.Errorf("docs/push-api.md has no row for %s", o)
		} else if want := strings.Join(answers[o], ", "); row[1] != want {
			t.Errorf("docs/push-api.md says that %s answers %s; the description of the API has %s", o, row[1], want)
		}
	}
	codes := apiCodes.FindStringSubmatch(api)
	if codes == nil {
		t.Fatal("the description of the API has no list of codes")
	}
	for c := range strings.SplitSeq(codes[1], ", ") {
		if !strings.Contains(page, "`"+c+"`") {
			t.Errorf("docs/push-api.md does not name the code %s", c)
		}
	}
}

// operations are the API's, as "GET /path" in the order of the description, and the statuses of the answers of each.
func operations(api string) (answers map[string][]string, names []string) {
	answers = map[string][]string{}
	paths, _, _ := strings.Cut(api, "\ncomponents:\n")
	var path, name string
	for line := range strings.SplitSeq(paths, "\n") {
		if m := apiPath.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := apiMethod.FindStringSubmatch(line); m != nil {
			name = strings.ToUpper(m[1]) + " " + path
			names = append(names, name)
		} else if m := apiStatus.FindStringSubmatch(line); m != nil {
			answers[name] = append(answers[name], m[1])
		}
	}
	return answers, names
}
