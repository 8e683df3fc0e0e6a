package spring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stentor/bench/proc"
	"stentor/bench/server"
)

// heap is the most that the Spring application's heap may take.
const heap = "-Xmx2g"

// app is the Spring application while it runs.
type app struct {
	address netip.AddrPort
	cmd     *exec.Cmd
	log     string
	exited  chan struct{} // closed when the process has ended
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
	address, err := server.FreePort()
	if err != nil {
		return nil, nil, err
	}
	a := &app{address: address, log: filepath.Join(dir, "spring.log"), exited: make(chan struct{})}
	log, err := os.Create(a.log)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	a.cmd = exec.Command(java, heap, "-jar", jar, "--server.address="+address.Addr().String(), fmt.Sprintf("--server.port=%d", address.Port()))
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		err := a.cmd.Wait()
		cancel(fmt.Errorf("the Spring application ended (%v):\n%s", err, a.tail()))
		close(a.exited)
	}()
	if err := a.waitReady(ctx); err != nil {
		a.stop()
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
		if err := server.Sleep(ctx, 50*time.Millisecond); err != nil {
			return errors.Join(err, errors.New(a.tail()))
		}
	}
}

// stop ends the process: kindly, and if that takes too long, not.
func (a *app) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-a.exited:
	case <-time.After(stopTimeout):
		_ = a.cmd.Process.Kill()
		<-a.exited
	}
}

// RSS is the resident memory of the process in bytes, the machine and its heap together.
func (a *app) RSS() (int64, error) { return proc.RSS(a.cmd.Process.Pid) }

// CPU is the processor time that the process has used.
func (a *app) CPU() (time.Duration, error) { return proc.CPU(a.cmd.Process.Pid) }

// tail is the end of its log.
func (a *app) tail() string {
	b, err := os.ReadFile(a.log)
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return string(b[max(0, len(b)-most):])
}
