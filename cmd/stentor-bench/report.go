package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"stentor/bench/suite/report"
)

// finish prints what a run found, even when err ended it, and returns an error when a target was missed.
func finish(w io.Writer, r *report.Report, err error, asJSON bool) error {
	if len(r.Results)+len(r.Notes) > 0 {
		if err := write(w, r, asJSON); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if n := r.Missed(); n > 0 {
		return fmt.Errorf("%d of %d targets missed", n, len(r.Results))
	}
	return nil
}

func write(w io.Writer, r *report.Report, asJSON bool) error {
	if !asJSON {
		return r.WriteTable(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
