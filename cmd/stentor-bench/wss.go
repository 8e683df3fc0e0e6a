package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"stentor/bench/suite/report"
	"stentor/bench/suite/wss"
)

func tlsCommand() *cobra.Command {
	var o wss.Options
	o.Peer = func(role wss.Role, argument string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return exec.Command(self, peerName, string(role), argument)
	}
	c := suiteCommand(&cobra.Command{
		Use:   "tls",
		Short: "Measure TLS in a node against its targets",
		Long: `Measure TLS in a node against its targets: CPU per delivery beside plain connections, CPU per connect beside
the handshake of crypto/tls on a blocking socket, full and resumed, and what clients without TLS feel of others'
handshakes beside a process that burns as much.

Nodes are started and ended by this command, on free loopback ports; nothing needs to run. A whole run takes about
7 minutes. It needs an idle machine. The exit status is 1 when a target is missed.`,
		Example: `  stentor-bench tls --stentor bin/stentor
  stentor-bench tls --only connect --quick`,
	}, &o.Options, wss.Measurements, "one sample of each: a minute, for orientation",
		func(ctx context.Context) (*report.Report, error) { return wss.Run(ctx, o) })
	c.Flags().IntVar(&o.Connections, "connections", 4000, "connections; a quarter of them where latencies are measured")
	return c
}

const peerName = "tls-peer"

// peerCommand is the process with which the suite tls compares a node.
func peerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    peerName + " ROLE ARGUMENT",
		Short:  "What a node with TLS is compared with; tls starts it",
		Args:   cobra.ExactArgs(2),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return wss.Peer(wss.Role(args[0]), args[1], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
