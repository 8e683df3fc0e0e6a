package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stentor/bench/suite/proxies"
)

func proxiesCommand() *cobra.Command {
	var asJSON bool
	var o proxies.Options
	o.Progress, o.Terminal = os.Stderr, isTerminal(os.Stderr)
	c := &cobra.Command{
		Use:   "proxies",
		Short: "Measure what nginx and HAProxy in front of a node cost",
		Long: `Measure what nginx and HAProxy in front of a node cost: CPU for each delivered message and for each
connect, memory for each connection, of node and proxy, beside clients that connect to the node. node-tls
is the node's own TLS, node-tls-go with tls.records: go.

The proxies are the distribution's (tuning/deps.sh installs them), with the configurations that
"stentor proxy-config" writes. Between a proxy and the node is TCP or a Unix socket; HAProxy speaks
the PROXY protocol, version 2. Nodes and proxies are started and ended by this command, on free
loopback ports. The kernel's memory is not in the numbers: a proxy takes two sockets more for each
connection.`,
		Example: `  stentor-bench proxies --stentor bin/stentor
  stentor-bench proxies --only nginx,nginx-tls --connections 500 --pushes 20 --samples 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			costs, err := proxies.Run(cmd.Context(), o)
			if len(costs.Ways) == 0 {
				return err
			}
			shown := error(nil)
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				shown = e.Encode(costs)
			} else {
				shown = costs.WriteTable(cmd.OutOrStdout())
			}
			if err == nil {
				err = shown
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.IntVar(&o.Connections, "connections", 4000, "connections")
	f.IntVar(&o.Pushes, "pushes", 50, "pushes to all in each sample, each when all have had the one before")
	f.IntVar(&o.Samples, "samples", 3, "samples of each way; medians are shown")
	f.StringSliceVar(&o.Only, "only", nil, "measure only these beside direct: "+strings.Join(proxies.Ways()[1:], ", "))
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
