package page

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"

	"stentor/bench/gen/chart"
	"stentor/bench/gen/result"
)

// Run is a result and the name that the page gives it where there are several.
type Run struct {
	Label  string
	Result *result.Result
}

//go:embed page.css
var style string

//go:embed page.html
var markup string

var document = template.Must(template.New("page").Parse(markup))

type view struct {
	Title      string
	Style      template.CSS
	Comparison *comparison // nil when there is one run
	Runs       []*report
}

// Write writes the page of one run, or of several beside each other, the first being what the others are compared with.
func Write(w io.Writer, runs ...Run) error {
	if len(runs) == 0 {
		return errors.New("there is no result to show")
	}
	v := view{Style: chart.Style() + template.CSS(style)}
	var labels []string
	for _, run := range runs {
		if run.Result.Format != result.Format {
			return fmt.Errorf("%s: the result has format %d, not %d", run.Label, run.Result.Format, result.Format)
		}
		r, err := newReport(run)
		if err != nil {
			return fmt.Errorf("%s: %w", run.Label, err)
		}
		v.Runs = append(v.Runs, r)
		labels = append(labels, run.Label)
	}
	v.Title = runs[0].Result.Scenario + ", " + runs[0].Result.Started.UTC().Format("2006-01-02 15:04")
	if len(runs) > 1 {
		v.Title = strings.Join(labels, ", ")
		c, err := compare(v.Runs)
		if err != nil {
			return err
		}
		v.Comparison = c
	}
	return document.Execute(w, v)
}

// WriteFile writes the page to a file.
func WriteFile(path string, runs ...Run) error {
	var b bytes.Buffer // a page that cannot be drawn leaves an older file alone
	if err := Write(&b, runs...); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
