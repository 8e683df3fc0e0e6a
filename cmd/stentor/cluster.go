package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/kafka"
)

func newClusterCmd() *cobra.Command {
	var (
		dev      bool
		nodes    int
		settings []string
	)
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Run several nodes and a broker in this process, to try a cluster",
		Long: `Runs librdkafka's in-process broker and several nodes on consecutive ports of this machine: clients connect to 8080,
8082, 8084 and so on, the APIs listen on the next ports. Each node is like that of "stentor serve --dev", but they
share the broker: a push to any node reaches the clients of all, and a client that loses its node resumes on another.

  stentor cluster --dev -n 3
  stentor cluster --dev -n 3 --set log.level=debug

The broker is for trials only: it keeps 5 MB per partition, in memory, and cannot find records by
time, so that a node that joins later does not know the earlier pushes.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dev {
				return usagef("only --dev is supported: for production, run \"stentor serve\" with bus: kafka on each machine")
			}
			if nodes < 1 || nodes > 16 {
				return usagef("-n is %d, allowed: 1 to 16", nodes)
			}
			return cluster(cmd.Context(), nodes, settings, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "use the built-in configuration for trials, on loopback")
	cmd.Flags().IntVarP(&nodes, "nodes", "n", 3, "number of nodes")
	addSetFlag(cmd, &settings)
	return cmd
}

const firstPort = 8080

// clusterConfigs returns the configurations of n nodes; settings apply to all of them.
func clusterConfigs(n int, broker string, settings []string) ([]*config.Config, error) {
	all, key := make([]*config.Config, n), rand.Text()+rand.Text()
	for i := range all {
		port := firstPort + 2*i
		own := []string{
			fmt.Sprintf("node.id=dev-%d", i+1), fmt.Sprintf("listen.client=127.0.0.1:%d", port), fmt.Sprintf("listen.api=127.0.0.1:%d", port+1),
			fmt.Sprintf("advertise.clients=ws://127.0.0.1:%d/ws", port), fmt.Sprintf("advertise.api=http://127.0.0.1:%d", port+1),
			"cluster.key=" + key, "bus=kafka", "kafka.brokers=" + broker,
			`projects.demo.send={"/topic/demo/**": push, "/app/**": forward}`,
		}
		var err error
		if all[i], err = config.LoadDev(os.Environ(), append(own, settings...)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func cluster(ctx context.Context, n int, settings []string, out, logTo io.Writer) error {
	plan, err := clusterConfigs(1, "127.0.0.1:1", settings)
	if err != nil {
		return err
	}
	queue, flush := patientLog(plan[0].Log, logTo)
	defer flush()
	topics := map[string]int{plan[0].Kafka.NodesTopic: 1}
	for _, project := range plan[0].ProjectNames() {
		topics[plan[0].PushTopic(project)] = plan[0].Kafka.Partitions
		topics[plan[0].InTopic(project)] = plan[0].Kafka.Partitions
	}
	broker, err := kafka.StartEmbedded(topics)
	if err != nil {
		return err
	}
	defer broker.Close()
	configs, err := clusterConfigs(n, broker.Address(), settings)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		errs = make([]error, n)
	)
	for i, cfg := range configs {
		s, err := start(cfg, startOptions{dev: true, mockEpoch: broker.Epoch}, queue)
		if err != nil {
			errs[i] = err
			cancel()
			break
		}
		wg.Go(func() {
			defer cancel() // one node that ends ends all
			errs[i] = s.serve(ctx, nil, nil)
		})
		fmt.Fprintf(out, "%s   clients %s   page http://%s/\n", cfg.Node.ID, strings.Join(s.clients(), " "), s.apiAddr.Addr())
	}
	fmt.Fprintf(out, "Kafka   %s\n\nThe project is demo, the key of its API demo-key, the admin key admin-key. Ctrl-C stops all.\n", broker.Address())
	wg.Wait()
	return errors.Join(errs...)
}
