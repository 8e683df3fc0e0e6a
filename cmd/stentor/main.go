// Command stentor is a push server for WebSocket clients that speak STOMP, and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, newRootCmd(), os.Args[1:]))
}

// run executes a command line and returns the exit code. An error is one line (or one for each mistake in a
// configuration) on standard error.
func run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage *usageError
	if errors.As(err, &usage) {
		complain(cmd, "%s: %s (see \"%s --help\")\n", cmd.CommandPath(), printable(err.Error()), cmd.CommandPath())
		return exitUsage
	}
	complain(cmd, "%s: %s\n", cmd.CommandPath(), printable(err.Error()))
	return exitFailure
}

// complain prints to standard error, and gives up when nobody reads it: the process must be able to end.
func complain(cmd *cobra.Command, format string, args ...any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprintf(cmd.ErrOrStderr(), format, args...)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}
