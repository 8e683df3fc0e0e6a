package main

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// suiteCommand adds to c what all suites share: the flags of o, a way to start the bare loop, and that run is called and
// its report shown.
func suiteCommand(c *cobra.Command, o *suite.Options, measurements []string, quick string, run func(context.Context) (*report.Report, error)) *cobra.Command {
	var asJSON bool
	o.Progress, o.Terminal = os.Stderr, isTerminal(os.Stderr)
	c.Args = cobra.NoArgs
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Baseline = func() *exec.Cmd { return exec.Command(self, baselineName) }
		report, err := run(cmd.Context())
		return finish(cmd.OutOrStdout(), report, err, asJSON)
	}
	f := c.Flags()
	f.StringVar(&o.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.StringSliceVar(&o.Only, "only", nil, "measure only these: "+strings.Join(measurements, ", "))
	f.BoolVar(&o.Quick, "quick", false, quick)
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// addBrokers adds the flag with the brokers of a suite that needs a Kafka.
func addBrokers(f *pflag.FlagSet, brokers *[]string) {
	var usual []string
	if address := os.Getenv("KAFKA_BOOTSTRAP"); address != "" {
		usual = strings.Split(address, ",")
	}
	f.StringSliceVar(brokers, "bootstrap", usual, "addresses of some brokers, host:port (default $KAFKA_BOOTSTRAP)")
}
