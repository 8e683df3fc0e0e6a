package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"stentor/bench/gen/pace"
)

// broker ends Kafka and starts it again.
type broker interface {
	away(context.Context) error // returns when it is gone
	back() error                // returns at once
}

// developers is the Kafka of kafka-dev, which ends its brokers on SIGUSR1 and starts them on SIGUSR2.
type developers struct {
	pid     int
	address string
}

// controlled is the Kafka that was started for this run, nil if somebody else did.
func controlled(brokers []string) broker {
	pid, err := strconv.Atoi(os.Getenv("KAFKA_DEV_PID"))
	if err != nil || os.Getenv("KAFKA_BOOTSTRAP") != brokers[0] {
		return nil
	}
	return &developers{pid, brokers[0]}
}

func (d *developers) away(ctx context.Context) error {
	if err := syscall.Kill(d.pid, syscall.SIGUSR1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the broker does not end"))
	defer cancel()
	for {
		c, err := net.DialTimeout("tcp", d.address, time.Second)
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		c.Close()
		if pace.Wait(ctx, 20*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
}

func (d *developers) back() error { return syscall.Kill(d.pid, syscall.SIGUSR2) }
