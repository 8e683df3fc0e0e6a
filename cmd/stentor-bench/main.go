// Command stentor-bench puts load on a Stentor node and measures it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stentor-bench:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "stentor-bench",
		Short:         "Load generator and measurements for Stentor",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), millionCommand(), agentCommand(), reportCommand(), nodeCommand(), kafkaCommand(), springCommand(), proxiesCommand(), vmCommand(), baselineCommand())
	return root
}
