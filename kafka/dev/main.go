// Command dev runs a real Apache Kafka for development and tests.
//
//	kafka-dev                       runs until Ctrl-C; prints the address, and writes it to .cache/kafka/bootstrap
//	kafka-dev go test ./kafka/...   runs as long as the command, which finds the address in KAFKA_BOOTSTRAP
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"stentor/kafka/kafkatest"
)

func main() {
	brokers := flag.Int("brokers", 1, "how many")
	quick := flag.Bool("quick", false, "start in half the time but run slower afterwards: for tests, not for measurements")
	flag.Parse()
	var jvm []string
	if *quick {
		jvm = append(jvm, kafkatest.Quick)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Args(), *brokers, jvm); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			os.Exit(max(1, exit.ExitCode()))
		}
		fmt.Fprintln(os.Stderr, "kafka-dev:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string, brokers int, jvm []string) (err error) {
	began := time.Now()
	cluster, err := kafkatest.New(brokers, jvm...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	fmt.Fprintf(os.Stderr, "Kafka is ready after %.1f s: KAFKA_BOOTSTRAP=%s\n", time.Since(began).Seconds(), cluster.Bootstrap())
	if len(command) > 0 {
		return with(ctx, cluster.Bootstrap(), command)
	}
	cache, err := kafkatest.CacheDir()
	if err != nil {
		return err
	}
	address := filepath.Join(cache, "bootstrap")
	if err := os.WriteFile(address, []byte(cluster.Bootstrap()+"\n"), 0o644); err != nil {
		return err
	}
	defer os.Remove(address)
	select {
	case <-ctx.Done():
		return nil
	case <-cluster.Exited(0):
		return errors.New("the broker has ended unexpectedly")
	}
}

// with runs command, and asks it to end when ctx ends.
func with(ctx context.Context, bootstrap string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP="+bootstrap)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
