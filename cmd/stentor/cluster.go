package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
)

func newClusterCmd() *cobra.Command {
	var (
		dev      bool
		nodes    int
		port     int
		settings []string
	)
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Run several nodes, a registry and a broker on this machine, to try a cluster",
		Long: `Runs several nodes, a registry and librdkafka's broker, each as a process of its own, on loopback. It prints the
process id and the addresses of each. Each node is like that of "stentor serve --dev", but they share the broker: a
push to any node reaches the clients of all, and a client that loses its node resumes on another.

  stentor cluster --dev -n 3
  stentor cluster --dev -n 3 --base-port 9000 --set log.level=debug

Clients connect to port 8080 (--base-port), 8082, 8084 and so on. The APIs and consoles are on the ports after these,
the registry is on the next port after all nodes. Kill a process, and the others continue. The command for a node of
your own that joins the cluster is printed as well. Ctrl-C ends all: the nodes, then the registry, then the broker.

The broker is for trials only: it keeps 5 MB per partition, in memory, and cannot find records by
time, so that a node that joins later does not know the earlier pushes.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dev {
				return usagef("only --dev is supported: for production, run \"stentor serve\" with bus: kafka on each machine")
			}
			if nodes < 1 || nodes > mostNodes {
				return usagef("-n is %d, allowed: 1 to %d", nodes, mostNodes)
			}
			if most := 65535 - 2*mostNodes - 4; port < 0 || port > most {
				return usagef("--base-port is %d, allowed: 1 to %d, or 0 for ports that are free", port, most)
			}
			for _, s := range settings {
				if name, _, _ := strings.Cut(s, "="); slices.Contains(own, name) {
					return usagef("--set: found %s, which the cluster sets itself for each node, allowed: keys other than %s", name, strings.Join(own, ", "))
				}
			}
			return cluster(cmd.Context(), clusterPlan{nodes: nodes, port: port, settings: settings}, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "use the built-in configuration for trials, on loopback")
	cmd.Flags().IntVarP(&nodes, "nodes", "n", 3, "number of nodes")
	cmd.Flags().IntVar(&port, "base-port", 8080, "first port; 0: ports that are free")
	addSetFlag(cmd, &settings)
	cmd.AddCommand(newMemberCmds()...)
	return cmd
}

const mostNodes = 16

// own are the keys that each node needs a value of its own for, or that make it one of this cluster.
var own = []string{"node.id", "listen.client", "listen.api", "bus", "kafka.brokers"}

// clusterPlan is what a cluster for trials is to be.
type clusterPlan struct {
	nodes    int
	port     int // the first; 0: any that is free
	settings []string

	key    string // cluster.key
	broker string // address
}

// address returns the n-th address of the cluster.
func (p *clusterPlan) address(n int) string {
	if p.port == 0 {
		return "127.0.0.1:0"
	}
	return fmt.Sprintf("127.0.0.1:%d", p.port+n)
}

// node returns the settings of one node, which listens at these addresses. The key is not among them: other users of this
// machine can read a command line.
func (p *clusterPlan) node(id, client, api string) []string {
	return slices.Concat([]string{
		"node.id=" + id, "listen.client=" + client, "listen.api=" + api, "bus=kafka", "kafka.brokers=" + p.broker,
		`projects.demo.send={"/topic/demo/**": push, "/app/**": forward}`,
	}, p.settings)
}

// config is the configuration of the i-th node, from 0 on.
func (p *clusterPlan) config(i int) (*config.Config, error) {
	return config.LoadDev(append(os.Environ(), config.Variable("cluster.key")+"="+p.key), p.node(nodeName(i), p.address(2*i), p.address(2*i+1)))
}

func nodeName(i int) string { return fmt.Sprintf("dev-%d", i+1) }

// setFlags are settings as flags.
func setFlags(settings []string) (flags []string) {
	for _, s := range settings {
		flags = append(flags, "--set", s)
	}
	return flags
}

// command is a command line for a shell that starts a node.
func (p *clusterPlan) command(id, client, api string) string {
	return p.shell("serve --dev", p.node(id, client, api))
}

// shell is a command line for a shell, of a subcommand with its first flags, and settings.
func (p *clusterPlan) shell(subcommand string, settings []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%s %s %s", config.Variable("cluster.key"), p.key, quoteArg(os.Args[0]), subcommand)
	for _, s := range settings {
		b.WriteString(" --set " + quoteArg(s))
	}
	return b.String()
}

// quoteArg returns a word that a shell reads as text.
func quoteArg(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=.,:/@%+") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// devCluster is a running cluster for trials. One goroutine uses it.
type devCluster struct {
	plan     clusterPlan
	cfg      *config.Config // of the first node
	out      io.Writer
	log      io.Writer
	broker   *member
	registry *member
	nodes    []*member
	ended    chan *member
}

func cluster(ctx context.Context, plan clusterPlan, out, logTo io.Writer) error {
	plan.key, plan.broker = rand.Text()+rand.Text(), "127.0.0.1:1" // until there is one
	cfg, err := plan.config(0)                                     // mistakes in the settings, before anything is started
	if err != nil {
		return err
	}
	plan.key = cfg.Cluster.Key // which may be one of the settings
	queue, flush := patientLog(cfg.Log, logTo)
	defer flush()
	c := &devCluster{plan: plan, cfg: cfg, out: out, log: queue, ended: make(chan *member, plan.nodes+2)}
	defer c.end()
	if err := c.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	c.announce()
	return c.watch(ctx)
}

// start starts all processes, and returns when they serve.
func (c *devCluster) start(ctx context.Context) (err error) {
	fmt.Fprintf(c.out, "Starting a broker, a registry and nodes (%d)...\n", c.plan.nodes)
	if c.broker, err = c.run("broker", c.topics(), nil); err != nil {
		return err
	}
	if err := c.await(ctx, c.broker); err != nil {
		return err
	}
	c.plan.broker = c.broker.at.Kafka
	key := config.Variable("cluster.key") + "=" + c.plan.key
	if c.registry, err = c.run("registry", setFlags(c.registrySettings(c.plan.address(2*c.plan.nodes))), []string{key}); err != nil {
		return err
	}
	for i := range c.plan.nodes {
		n, err := c.run(nodeName(i), setFlags(c.plan.node(nodeName(i), c.plan.address(2*i), c.plan.address(2*i+1))), append(os.Environ(), key))
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	for _, m := range append(c.nodes, c.registry) {
		if err := c.await(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// run starts a process of the cluster: the part is the subcommand, or node with the id of the node.
func (c *devCluster) run(name string, args, env []string) (*member, error) {
	part := name
	if part != "broker" && part != "registry" {
		part = "node"
	}
	return startMember(name, append([]string{"cluster", part}, args...), env, c.log, c.ended)
}

// topics are the flags of the broker.
func (c *devCluster) topics() (flags []string) {
	topic := func(name string, partitions int) {
		flags = append(flags, "--topic", fmt.Sprintf("%s=%d", name, partitions))
	}
	topic(c.cfg.Kafka.NodesTopic, 1)
	for _, project := range c.cfg.ProjectNames() {
		topic(c.cfg.PushTopic(project), c.cfg.Kafka.Partitions)
		topic(c.cfg.InTopic(project), c.cfg.Kafka.Partitions)
	}
	return flags
}

// registrySettings are the settings of the registry, which listens at this address.
func (c *devCluster) registrySettings(client string) []string {
	return []string{
		"listen.client=" + client, "kafka.brokers=" + c.plan.broker, "kafka.nodes_topic=" + c.cfg.Kafka.NodesTopic,
		"log.level=" + c.cfg.Log.Level, "log.format=" + c.cfg.Log.Format,
	}
}

// await waits until a process serves. It fails when any process ends.
func (c *devCluster) await(ctx context.Context, m *member) error {
	select {
	case <-m.serves:
		return nil
	case e := <-c.ended:
		if err := e.err(); strings.Contains(e.last, "address already in use") {
			return fmt.Errorf("%w; --base-port moves the whole cluster", err)
		}
		return e.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// announce says what runs where, and what to try.
func (c *devCluster) announce() {
	var b strings.Builder
	b.WriteString("\nThe cluster is ready, for trials (project demo, this machine only).\n\n")
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PROCESS\tPID\tADDRESSES")
	for _, n := range c.nodes {
		fmt.Fprintf(t, "%s\t%d\tclients %s  API and console %s\n", n.name, n.pid(), strings.Join(n.at.Clients, " "), n.at.API)
	}
	fmt.Fprintf(t, "%s\t%d\t%sv1/endpoints\n", c.registry.name, c.registry.pid(), c.registry.at.API)
	fmt.Fprintf(t, "%s\t%d\tKafka at %s, topics %s\n", c.broker.name, c.broker.pid(), c.broker.at.Kafka, strings.Join(c.broker.at.Topics, " "))
	_ = t.Flush() // into memory
	first, last, self := c.nodes[0], c.nodes[len(c.nodes)-1], quoteArg(os.Args[0])
	fmt.Fprintf(&b, `
Keys: demo-key (project demo), admin-key (all). The console of any node shows all of them.

  %s sub --project demo --url %s /topic/demo/all
  %s push --project demo --key demo-key --api %s --topic all hello
  %s nodes --key admin-key --api %s --watch
  kill -9 %d    # ends %s; the others continue

A node of your own joins with

  %s

Ctrl-C ends all.
`, self, first.at.Clients[0], self, strings.TrimSuffix(last.at.API, "/"), self, strings.TrimSuffix(first.at.API, "/"), last.pid(), last.name,
		c.plan.command("mine", c.plan.address(2*c.plan.nodes+2), c.plan.address(2*c.plan.nodes+3)))
	_, _ = io.WriteString(c.out, b.String())
}

// watch says which process has ended, until ctx ends or no node is left.
func (c *devCluster) watch(ctx context.Context) error {
	remaining := len(c.nodes)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-c.ended:
			fmt.Fprintf(c.out, "\n%v. %s\n", m.err(), c.consequence(m))
			if slices.Contains(c.nodes, m) {
				remaining--
			}
			if remaining == 0 {
				return fmt.Errorf("all nodes have ended; the last one: %w", m.err())
			}
		}
	}
}

// consequence says what the end of a process means, and how to start it again.
func (c *devCluster) consequence(m *member) string {
	switch m {
	case c.broker:
		return "Nodes keep their clients and answer pushes with 503. This broker kept everything in memory: end the cluster and start it again."
	case c.registry:
		return "Clients that are connected notice nothing, and every node answers /v1/endpoints as well. It starts again with\n\n  " + c.registryCommand(m)
	}
	client, _, _ := strings.Cut(strings.TrimPrefix(m.at.Clients[0], "ws://"), "/")
	api := strings.TrimSuffix(strings.TrimPrefix(m.at.API, "http://"), "/")
	return "The others continue. It starts again with\n\n  " + c.plan.command(m.name, client, api)
}

// registryCommand is a command line for a shell that starts the registry at its address again.
func (c *devCluster) registryCommand(m *member) string {
	address := strings.TrimSuffix(strings.TrimPrefix(m.at.API, "http://"), "/")
	return c.plan.shell("registry --config ''", c.registrySettings(address))
}

// end ends what runs: the nodes side by side, which have drain.timeout, then the registry, then the broker.
func (c *devCluster) end() {
	patience := time.Duration(c.cfg.Drain.Timeout) + mostGoodbye
	endMembers(patience, c.nodes...)
	endMembers(patience, c.registry)
	endMembers(patience, c.broker)
}
