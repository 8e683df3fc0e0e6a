package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/kafka"
)

// newMemberCmds returns the commands that `cluster` starts as processes. Each prints its addresses once it serves, logs to
// standard error, and runs until SIGTERM.
func newMemberCmds() []*cobra.Command {
	var topics, settings []string
	node := &cobra.Command{Use: "node", Short: "A node of a cluster for trials", Hidden: true, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.LoadDev(os.Environ(), settings)
		if err != nil {
			return err
		}
		return runDevNode(cmd.Context(), cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}}
	registry := &cobra.Command{Use: "registry", Short: "The registry of a cluster for trials", Hidden: true, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.LoadRegistry("", os.Environ(), settings)
		if err != nil {
			return err
		}
		return runRegistry(cmd.Context(), cfg, cmd.ErrOrStderr(), func(ctx context.Context, r *registry) {
			if within(ctx, r.reader.Ready) {
				say(cmd.OutOrStdout(), addresses{API: "http://" + r.listener.Addr().String() + "/"})
			}
		})
	}}
	broker := &cobra.Command{Use: "broker", Short: "The broker of a cluster for trials", Hidden: true, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return runDevBroker(cmd.Context(), topics, cmd.OutOrStdout())
	}}
	broker.Flags().StringArrayVar(&topics, "topic", nil, "topic=partitions (repeatable)")
	addSetFlag(node, &settings)
	addSetFlag(registry, &settings)
	return []*cobra.Command{node, registry, broker}
}

func runDevNode(ctx context.Context, cfg *config.Config, out, logTo io.Writer) error {
	queue, flush := patientLog(cfg.Log, logTo)
	defer flush()
	s, err := start(cfg, true, queue)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if within(ctx, s.bus.Ready) {
			say(out, addresses{Clients: s.clients(), API: s.apiURL()})
		}
	}()
	return s.serve(ctx, nil, nil)
}

func runDevBroker(ctx context.Context, topics []string, out io.Writer) error {
	list, err := pairs("topic", topics)
	if err != nil {
		return err
	}
	partitions, names := map[string]int{}, []string{}
	for _, one := range list {
		n, err := strconv.Atoi(one[1])
		if err != nil {
			return usagef("--topic: found %q, allowed: name=partitions", one[0]+"="+one[1])
		}
		partitions[one[0]], names = n, append(names, one[0])
	}
	broker, err := kafka.StartEmbedded(partitions)
	if err != nil {
		return fmt.Errorf("the broker for trials: %w", err)
	}
	defer broker.Close()
	say(out, addresses{Kafka: broker.Address(), Topics: names})
	<-ctx.Done()
	return nil
}

// within waits until ready returns nil, and returns false if ctx ends before.
func within(ctx context.Context, ready func() error) bool {
	for ready() != nil {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// say tells the process that started this one where it can be reached.
func say(out io.Writer, at addresses) {
	_ = json.NewEncoder(out).Encode(at) // without a reader there is nobody to tell
}
