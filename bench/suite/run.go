package suite

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

// Run is one run of a suite.
type Run struct {
	Report      *report.Report
	Dir         string // for configurations and logs
	Credentials server.Credentials
	Progress    *report.Progress

	only []string
}

// Measurement is one that a suite has.
type Measurement struct {
	Name string
	Run  func(context.Context) ([]report.Result, error)
}

// Begin makes a run of checked options. The caller closes it.
func Begin(ctx context.Context, o Options) (*Run, error) {
	version, err := server.Version(ctx, o.Stentor)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "stentor-bench-")
	if err != nil {
		return nil, err
	}
	return &Run{
		only: o.Only, Dir: dir, Credentials: server.NewCredentials(), Progress: report.NewProgress(o.Progress, o.Terminal),
		Report: &report.Report{Started: time.Now(), Machine: proc.ThisMachine(), Quick: o.Quick, Server: version},
	}, nil
}

// Close ends the progress display and removes files that servers left.
func (r *Run) Close() {
	r.Progress.Close()
	_ = os.RemoveAll(r.Dir)
}

// wholeTimeout bounds one measurement.
const wholeTimeout = 20 * time.Minute

// Measure takes those of all that Only names, one after the other. The report keeps the results that came before an
// error.
func (r *Run) Measure(ctx context.Context, all []Measurement) error {
	for _, m := range all {
		if len(r.only) > 0 && !slices.Contains(r.only, m.Name) {
			continue
		}
		ctx, cancel := context.WithTimeoutCause(ctx, wholeTimeout, fmt.Errorf("%s takes longer than %v", m.Name, wholeTimeout))
		results, err := m.Run(ctx)
		cancel()
		r.Report.Results = append(r.Report.Results, results...)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}
