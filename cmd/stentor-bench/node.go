package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"stentor/bench/node"
)

func nodeCommand() *cobra.Command {
	var asJSON bool
	o := node.Options{Progress: os.Stderr, Terminal: isTerminal(os.Stderr)}
	c := &cobra.Command{
		Use:   "node",
		Short: "Measure one node on this machine against its targets",
		Long: `Measure one node on this machine against its targets: memory per connection, CPU per
delivery against a bare write(2) loop, deliveries per second under overload, the effect
of clients that never read, and CPU per connect.

Servers are started and ended by this command, on free loopback ports; nothing needs to
run. A whole run takes about 15 minutes. It wants a machine that does nothing else, and
one descriptor a connection (ulimit -n). The exit status is 1 when a target is missed.`,
		Example: `  stentor-bench node --stentor bin/stentor
  stentor-bench node --only delivery,connect --quick
  stentor-bench node --json > node.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Baseline = func() *exec.Cmd { return exec.Command(self, baselineName) }
			report, err := node.Run(cmd.Context(), o)
			return finish(cmd.OutOrStdout(), report, err, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.IntVar(&o.Connections, "connections", 15000, "connections; memory is taken at a fifth and at six fifths of them")
	f.StringSliceVar(&o.Only, "only", nil, "measure only these: "+strings.Join(node.Measurements, ", "))
	f.BoolVar(&o.Quick, "quick", false, "fewer and shorter samples: a few minutes, for orientation")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}
