package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stentor/bench/plan"
	"stentor/bench/suite/report"
)

func planCommand() *cobra.Command {
	var l plan.Load
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Compute how many nodes a load takes, and what bounds them",
		Long: `Compute how many nodes a load takes, and what bounds them. It measures nothing: it is a
model over costs that were measured on one node (docs/benchmarks.md). Every node reads
every push of its projects; where that takes too much of each node, projects are spread
over groups of nodes. Heart-beats and the brokers' own needs are not in it.`,
		Example: `  stentor-bench plan --connections 10000000 --pushes 10000
  stentor-bench plan --connections 100000000 --pushes 100000 --receivers 10 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := plan.New(l)
			if err != nil {
				return mistake(cmd, err)
			}
			if !asJSON {
				return writePlan(cmd.OutOrStdout(), &p)
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(p)
		},
	}
	f := c.Flags()
	f.Int64Var(&l.Connections, "connections", 10_000_000, "clients of the whole cluster")
	f.Float64Var(&l.Pushes, "pushes", 10_000, "pushes a second, of all projects together")
	f.Float64Var(&l.Receivers, "receivers", 100, "clients that a push goes to, on average")
	f.IntVar(&l.Size, "size", 200, "bytes of a payload")
	f.Int64Var(&l.PerNode, "per-node", 1_000_000, "connections of a node at most")
	f.Float64Var(&l.Cores, "cores", 8, "processors of a node")
	f.Float64Var(&l.Busy, "busy", 0.5, "share of them that may be in use")
	f.Int64Var(&l.Memory, "memory", 16e9, "bytes of a node for connections, the kernel's side included")
	f.BoolVar(&l.TLS, "tls", false, "nodes speak TLS with their clients themselves")
	f.IntVar(&l.Groups, "groups", 0, "groups of nodes over which projects are spread evenly, 0 for as few as possible")
	f.BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return c
}

// writePlan writes a plan as text.
func writePlan(w io.Writer, p *plan.Plan) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	whole := func(v float64) string { return report.Group(int64(v + 0.5)) }
	row("nodes", "%s, because of: %s", report.Group(p.Nodes), p.Bound)
	row("groups of nodes", "%d, of %s nodes each", p.Groups, report.Group(p.GroupNodes))
	row("connections of a node", "%s", report.Group(p.NodeConnections))
	row("memory of a node for them", "%.1f GB", float64(p.NodeMemory)/1e9)
	row("pushes a node reads", "%s a second, of at most %s", whole(p.GroupPushes), whole(p.MostPushes))
	row("processors of a node for reading", "%.2f", p.ReadCores)
	row("processors of a node for deliveries", "%.2f, for %s a second", p.DeliverCores, whole(p.NodeDeliveries))
	row("of all processor time, reading is", "%.0f%%", 100*p.ReadAll)
	row("from a node to its clients", "%s MB/s", report.Number(p.NodeOut/1e6))
	row("from Kafka to all nodes", "%s MB/s", report.Number(p.KafkaOut/1e6))
	if p.GroupNodes > 1 {
		row("clients of a dead node are back after", "%v", time.Duration(p.Return*float64(time.Second)).Round(100*time.Millisecond))
	} else {
		row("clients of a dead node are back", "when it is: its group has no other node")
	}
	return t.Flush()
}
