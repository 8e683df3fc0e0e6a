package spring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/engine/testkit/ports"
)

// heap is the most that the Spring application's heap may take.
const heap = "-Xmx2g"

// app is the Spring application while it runs.
type app struct {
	address netip.AddrPort
	*server.Process
}

// javaVersion is what Java says it is.
func javaVersion(ctx context.Context, java string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	b, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w\n%s", java, err, b)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line, nil
}

// startApp starts the application and waits until it listens, which it does last. The context that it returns ends when
// the application does.
func startApp(ctx context.Context, java, jar, dir string) (*app, context.Context, error) {
	address, err := ports.Free(netip.Addr{})
	if err != nil {
		return nil, nil, err
	}
	a := &app{address: address}
	cmd := exec.Command(java, heap, "-jar", jar, "--server.address="+address.Addr().String(), fmt.Sprintf("--server.port=%d", address.Port()))
	if a.Process, ctx, err = server.Run(ctx, "the Spring application", cmd, filepath.Join(dir, "spring.log")); err != nil {
		return nil, nil, err
	}
	if err := a.waitReady(ctx); err != nil {
		a.Stop(stopTimeout)
		return nil, nil, err
	}
	return a, ctx, nil
}

func (a *app) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the Spring application does not listen after %v", startTimeout))
	defer cancel()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp4", a.address.String())
		if err == nil {
			return c.Close()
		}
		if err := pace.Wait(ctx, 50*time.Millisecond); err != nil {
			return errors.Join(err, errors.New(a.Tail()))
		}
	}
}
