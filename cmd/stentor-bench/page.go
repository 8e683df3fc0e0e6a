package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stentor/bench/gen/page"
	"stentor/bench/gen/result"
)

// reportCommand draws a page of the JSON results of runs.
func reportCommand() *cobra.Command {
	var output string
	var merge bool
	c := &cobra.Command{
		Use:   "report FILE.json...",
		Short: "Draw the HTML report of saved results: one, several merged, or several side by side",
		Long: `Draw the HTML report of what "stentor-bench run --json" has written. Several results are
shown side by side, named by their files; the others are compared with the first. With --merge they are parts of one run that several generators made at the same time,
and become one: counts are added up and latency histograms merged.

The report is one file that needs no network and no script.`,
		Example: `  stentor-bench report run.json -o run.html
  stentor-bench report stentor.json spring.json -o comparison.html
  stentor-bench report --merge host-a.json host-b.json -o both.html`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			runs, err := readRuns(files)
			if err != nil {
				return err
			}
			if merge {
				all := make([]*result.Result, len(runs))
				for i, r := range runs {
					all[i] = r.Result
				}
				if err := together(runs); err != nil {
					return err
				}
				one, err := result.Merge(all)
				if err != nil {
					return err
				}
				runs = []page.Run{{Label: "merged", Result: one}}
			}
			return page.WriteFile(output, runs...)
		},
	}
	f := c.Flags()
	f.StringVarP(&output, "output", "o", "report.html", "the file to write")
	f.BoolVar(&merge, "merge", false, "the results are parts of one run: make one of them")
	return c
}

// together checks that all runs overlapped in time, by the clocks of their hosts.
func together(runs []page.Run) error {
	for _, a := range runs {
		for _, b := range runs {
			if end := a.Result.Started.Add(time.Duration(a.Result.Seconds * float64(time.Second))); b.Result.Started.After(end) {
				return fmt.Errorf("%s began when %s had ended: they are not parts of one run (leave --merge out to see them side by side)", b.Label, a.Label)
			}
		}
	}
	return nil
}

// readRuns reads results and names each by its file.
func readRuns(files []string) ([]page.Run, error) {
	var runs []page.Run
	seen := map[string]bool{}
	for _, file := range files {
		r, err := readResult(file)
		if err != nil {
			return nil, err
		}
		label := strings.TrimSuffix(filepath.Base(file), ".json")
		if seen[label] {
			label = file
		}
		seen[label] = true
		runs = append(runs, page.Run{Label: label, Result: r})
	}
	return runs, nil
}

func readResult(file string) (*result.Result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &result.Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if r.Format == 0 {
		return nil, fmt.Errorf("%s: %w", file, errors.New(`it is not a result of "stentor-bench run --json"`))
	}
	return r, nil
}
