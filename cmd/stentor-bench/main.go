// Command stentor-bench puts load on a Stentor node and measures it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK = 0
	// exitBad: the run found something wrong, or did not finish.
	exitBad = 1
	// exitNotBegun: the run could not begin, because of the command line, a file, or what this host lacks.
	exitNotBegun = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := rootCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stentor-bench:", err)
	}
	os.Exit(exitCode(err))
}

// notBegun is an error from before anything was done.
type notBegun struct{ error }

// Unwrap returns the error itself.
func (e notBegun) Unwrap() error { return e.error }

func exitCode(err error) int {
	var early notBegun
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &early):
		return exitNotBegun
	}
	return exitBad
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "stentor-bench",
		Short:         "Load generator and measurements for Stentor",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), millionCommand(), agentCommand(), reportCommand(), nodeCommand(), kafkaCommand(), clusterCommand(), browsersCommand(), springCommand(), proxiesCommand(), tlsCommand(), planCommand(), vmCommand(), baselineCommand(), peerCommand())
	root.Args = cobra.NoArgs
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return mistake(cmd, err) })
	checkArgs(root)
	return root
}

// mistake is the error for a mistake in the command line.
func mistake(cmd *cobra.Command, err error) error {
	return notBegun{fmt.Errorf("%w (see \"%s --help\")", err, cmd.CommandPath())}
}

// checkArgs turns errors about the arguments of all commands into mistakes in the command line.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return mistake(cmd, err)
			}
			return nil
		}
	}
	for _, below := range c.Commands() {
		checkArgs(below)
	}
}
