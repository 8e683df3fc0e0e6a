package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Measurement is one that a suite has.
type Measurement struct {
	Name string
	Run  func(context.Context) ([]Result, error)
}

// CheckNames looks whether all names of only are among those that there are.
func CheckNames(only, names []string) error {
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no measurement %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// Measure takes those of all that only names, which is empty for all, one after the other, each for timeout at most. The report keeps the results
// that came before an error.
func (r *Report) Measure(ctx context.Context, all []Measurement, only []string, timeout time.Duration) error {
	for _, m := range all {
		if len(only) > 0 && !slices.Contains(only, m.Name) {
			continue
		}
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s takes longer than %v", m.Name, timeout))
		results, err := m.Run(ctx)
		cancel()
		r.Results = append(r.Results, results...)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}
