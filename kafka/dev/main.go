// Command dev runs a real Apache Kafka for development and tests.
//
//	kafka-dev                       runs until Ctrl-C; prints the address, and writes it to .cache/kafka/bootstrap
//	kafka-dev go test ./kafka/...   runs as long as the command, which finds the address in KAFKA_BOOTSTRAP
//
// SIGUSR1 kills the brokers (SIGKILL), SIGUSR2 starts them again with their data. A command finds the process to send them to in
// KAFKA_DEV_PID.
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
	"sync"
	"sync/atomic"
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
	control(cluster, brokers)
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
	case <-ended(cluster):
		return errors.New("the broker has ended unexpectedly")
	}
}

// away is set while brokers were killed by a signal.
var away atomic.Bool

// control kills and starts brokers on signals, one at a time.
func control(cluster *kafkatest.Cluster, brokers int) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range signals {
			var all sync.WaitGroup // a controller is ready only when most of them are running
			for i := range brokers {
				all.Go(func() {
					if s == syscall.SIGUSR1 {
						away.Store(true)
						cluster.KillBroker(i)
					} else if err := cluster.RestartBroker(i); err != nil {
						fmt.Fprintln(os.Stderr, "kafka-dev:", err)
					}
				})
			}
			all.Wait()
		}
	}()
}

// ended is closed when the first broker has ended by itself.
func ended(cluster *kafkatest.Cluster) <-chan struct{} {
	c, exited := make(chan struct{}), cluster.Exited(0)
	go func() {
		if <-exited; !away.Load() {
			close(c)
		}
	}()
	return c
}

// with runs command, and asks it to end when ctx ends.
func with(ctx context.Context, bootstrap string, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP="+bootstrap, fmt.Sprint("KAFKA_DEV_PID=", os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
