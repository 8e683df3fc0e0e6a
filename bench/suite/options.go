package suite

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"stentor/bench/machine/server"
	"stentor/engine/testkit/proc"
)

// Options says what to measure, and with what.
type Options struct {
	Stentor string // the server's binary
	// Baseline makes the command of a process that runs baseline.Serve.
	Baseline    func() *exec.Cmd
	Connections int
	Only        []string // names of measurements, none for all
	Quick       bool     // fewer and shorter samples
	Progress    io.Writer
	Terminal    bool // Progress may be drawn over
}

// Bounds are what a suite allows.
type Bounds struct {
	Measurements []string
	Fewest       int    // connections
	Files        int    // descriptors that one process needs
	Flags        string // that say how many these are
}

// Check finds the server's binary, or says what is wrong.
func (o *Options) Check(b Bounds) error {
	if err := CheckNames(o.Only, b.Measurements); err != nil {
		return err
	}
	if o.Connections < b.Fewest {
		return fmt.Errorf("%d connections are too few to measure: use %d or more", o.Connections, b.Fewest)
	}
	var err error
	if o.Stentor, err = server.Find(o.Stentor); err != nil {
		return err
	}
	return proc.NeedFiles(b.Files, b.Flags)
}

// CheckNames checks that only contains known names.
func CheckNames(only, names []string) error {
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no measurement %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}
