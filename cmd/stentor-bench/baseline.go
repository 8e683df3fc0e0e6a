package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"stentor/bench/suite/baseline"
)

const baselineName = "baseline"

// baselineCommand is the process with which the suite node compares a server. It exchanges JSON with its parent.
func baselineCommand() *cobra.Command {
	var threads int
	c := &cobra.Command{
		Use:    baselineName,
		Short:  "The bare write(2) loop that a server is compared with; node starts it",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return baseline.Serve(cmd.InOrStdin(), cmd.OutOrStdout(), threads)
		},
	}
	c.Flags().IntVar(&threads, "threads", runtime.GOMAXPROCS(0), "threads that write")
	return c
}
