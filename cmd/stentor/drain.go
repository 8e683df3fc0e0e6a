package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

type drainFlags struct {
	apiFlags
	cancel, noWait bool
}

func newDrainCmd() *cobra.Command {
	var f drainFlags
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Send all clients of a node away",
		Long: `Has a node send its clients away, paced, so that they come to other nodes with nothing lost. The node takes no new
clients, and none are sent to it, until --cancel or until it stops. It still reads and accepts pushes. Any node of the
cluster may be asked.

  stentor drain push-2 --key ADMIN-KEY
  stentor drain push-2 --key ADMIN-KEY --cancel

It waits until the node has no connections, and says each second how many there are; Ctrl-C ends the waiting alone.
--json prints the answer of the node. It needs an admin key.`,
		Args: usageArgs(1, 1, "the id of the node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := f.drain(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
			return f.finish(cmd.OutOrStdout(), err)
		},
	}
	f.addWithoutProject(cmd)
	cmd.Flags().BoolVar(&f.cancel, "cancel", false, "have the node take clients again")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "do not wait until the clients are gone")
	return cmd
}

func (f *drainFlags) drain(ctx context.Context, node string, out, notes io.Writer) error {
	method := "POST"
	if f.cancel {
		method = "DELETE"
	}
	text, err := f.ask(ctx, method, "/v1/nodes/"+url.PathEscape(node)+"/drain", nil, nil)
	if err != nil {
		return err
	}
	if f.asJSON {
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	switch {
	case f.cancel:
		fmt.Fprintf(notes, "%s takes clients again\n", printable(node))
		return nil
	case f.noWait:
		return nil
	}
	return f.wait(ctx, node, notes)
}

// wait returns when the node has no connections, by its beats, which may be a second old.
func (f *drainFlags) wait(ctx context.Context, node string, notes io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil // the node keeps draining
		case <-time.After(time.Second):
		}
		page, _, err := f.nodes(ctx)
		if errors.Is(err, errInterrupted) {
			return nil
		}
		if err != nil {
			return err
		}
		found := false
		for i := range page.Nodes {
			n := &page.Nodes[i]
			if n.ID != node {
				continue
			}
			found = true
			if !n.Draining && n.State == "up" {
				continue // its next beat will say that it drains
			}
			fmt.Fprintf(notes, "%s: %d connections\n", printable(node), n.Connections)
			if n.Connections == 0 || n.State == "left" {
				return nil
			}
		}
		if !found {
			return fmt.Errorf("node %s is no longer listed", node)
		}
	}
}
