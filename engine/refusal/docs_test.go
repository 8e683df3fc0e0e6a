package refusal

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: docs/refusals.md has each reason as the table has it, and no other.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/refusals.md")
	if err != nil {
		t.Fatal(err)
	}
	for r := None + 1; r < Reasons; r++ {
		code := "-"
		if r.Code() != 0 {
			code = fmt.Sprint(r.Code())
		}
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", r, code, r.Text()); !strings.Contains(string(text), row) {
			t.Errorf("docs/refusals.md lacks this row of stage %s:\n%s", r.Stage(), row)
		}
	}
	if rows := len(regexp.MustCompile("(?m)^\\| `").FindAll(text, -1)); rows != int(Reasons)-1 {
		t.Errorf("docs/refusals.md has %d rows for %d reasons", rows, Reasons-1)
	}
}

// TestTable: each reason has a name of its own, a stage, and says what it means.
func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for r := None + 1; r < Reasons; r++ {
		if !name.MatchString(r.String()) || seen[r.String()] || r.Stage() == "" || r.Text() == "" {
			t.Errorf("reason %d: %q, stage %q, text %q", r, r, r.Stage(), r.Text())
		}
		seen[r.String()] = true
	}
}

// TestLimits: an operator finds each limit that is counted below limits in the configuration, under the name of its reason.
func TestLimits(t *testing.T) {
	for r := None + 1; r < Reasons; r++ {
		own := strings.Contains(r.Text(), "limits."+r.String()+"`")
		switch limit := r.Limit(); {
		case limit != None && limit.Limit() != limit:
			t.Errorf("%s counts for %s, which is no limit", r, limit)
		case r.Stage() != API && own != (limit == r):
			t.Errorf("%s: it is the limit %v, and its text is %q", r, limit, r.Text())
		}
	}
	if HandshakeHeaders.Limit() != HandshakeBytes || Path.Limit() != None {
		t.Error("reasons that are no limits of their own")
	}
}
