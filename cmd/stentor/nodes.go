package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stentor/engine/admin"
)

type nodesFlags struct {
	apiFlags
	watch bool
	every time.Duration
}

func newNodesCmd() *cobra.Command {
	var f nodesFlags
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes of a cluster",
		Long: `Lists all nodes of a cluster, as one of them knows them: whether clients are sent to them, how full they are, and
what they do. It needs an admin key.

  stentor nodes --key ADMIN-KEY
  stentor nodes --key ADMIN-KEY --watch
  stentor nodes --key ADMIN-KEY --json | jq -r '.nodes[] | select(.handed | not) | .id'

STATE: up; suspect, with the time since it was heard of (more than 5 s: it is the last resort for clients that find no
other node); draining; left; not ready. ADVERTISED says why no client is sent to a node, "yes" otherwise. OPENING and
DELIVERED are per second. Nodes of older versions do not say what they do.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := f.list(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if f.watch && errors.Is(err, errInterrupted) {
				return nil
			}
			return f.finish(cmd.OutOrStdout(), err)
		},
	}
	f.addWithoutProject(cmd)
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "repeat the list until Ctrl-C")
	cmd.Flags().DurationVar(&f.every, "interval", time.Second, "time between two lists of --watch")
	return cmd
}

// nodes asks a node which nodes it knows. text is its answer as it came.
func (f *apiFlags) nodes(ctx context.Context) (page admin.NodePage, text []byte, err error) {
	if text, err = f.ask(ctx, "GET", "/v1/nodes", nil, nil); err != nil {
		return page, nil, err
	}
	return page, text, readJSON(text, &page)
}

func (f *nodesFlags) list(ctx context.Context, out, notes io.Writer) error {
	if f.every < 100*time.Millisecond {
		return usagef("--interval: found %s, allowed: at least 100ms", f.every)
	}
	for {
		page, text, err := f.nodes(ctx)
		if err != nil && (!f.watch || errors.Is(err, errInterrupted)) {
			return err
		}
		if err == nil {
			err = f.show(out, notes, &page, text)
		}
		if !f.watch {
			return err
		}
		if err != nil { // of one list: the other may still come
			fmt.Fprintln(notes, printable(err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.every):
		}
	}
}

func (f *nodesFlags) show(out, notes io.Writer, page *admin.NodePage, text []byte) error {
	if f.asJSON {
		_, err := out.Write(text)
		return err
	}
	var b strings.Builder
	if f.watch {
		fmt.Fprintf(&b, "\x1b[H\x1b[2J%s\n", time.Now().Format(time.TimeOnly))
	}
	writeNodes(&b, page)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if page.StaleMS > 0 {
		fmt.Fprintf(notes, "the list could not be read for %s: this is how it was\n", (time.Duration(page.StaleMS) * time.Millisecond).Round(time.Second))
	}
	return nil
}

func writeNodes(out io.Writer, page *admin.NodePage) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tSTATE\tADVERTISED\tCONNECTIONS\tCAPACITY\tFULL\tOPENING\tDELIVERED\tCPU\tMEMORY\tLATE\tVERSION")
	for i := range page.Nodes {
		n := &page.Nodes[i]
		full := "-"
		if n.Capacity > 0 {
			full = fmt.Sprintf("%.1f%%", 100*float64(n.Connections)/float64(n.Capacity))
		}
		name := n.ID
		if n.Self {
			name += " *"
		}
		if n.Version == "" { // it says no more than this
			fmt.Fprintf(table, "%s\t%s\t%s\t-\t-\t-\t-\t-\t-\t-\t%s\tolder\n", name, nodeState(n), advertised(n), time.Duration(n.LateMS)*time.Millisecond)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t%.0f%%\t%d MiB\t%s\t%s\n", name, nodeState(n), advertised(n), n.Connections, n.Capacity, full,
			n.Opening, n.Deliveries, 100*n.CPU, n.Memory>>20, time.Duration(n.LateMS)*time.Millisecond, n.Version)
	}
	_ = table.Flush() // into memory
}

func nodeState(n *admin.NodeInfo) string {
	switch {
	case n.State == "suspect" && n.HeardMS >= 0:
		return "suspect, " + (time.Duration(n.HeardMS) * time.Millisecond).Round(time.Second).String()
	case n.State != "up":
		return n.State
	case n.Draining:
		return "draining"
	case !n.Ready:
		return "not ready"
	}
	return n.State
}

// advertised returns why no client is sent to a node that is up.
func advertised(n *admin.NodeInfo) string {
	switch {
	case n.Handed && n.State == "suspect":
		return "last resort"
	case n.Handed:
		return "yes"
	case !n.Sealed:
		return "no cluster.key"
	case len(n.URLs) == 0 && n.State == "up":
		return "no address"
	case n.Capacity > 0 && n.Connections >= n.Capacity:
		return "full"
	}
	return "no"
}
