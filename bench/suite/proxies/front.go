package proxies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/engine/testkit/ports"
	"stentor/engine/testkit/proc"
	"stentor/tuning/proxy"
)

// front is a proxy that runs.
type front struct {
	address netip.AddrPort // where clients connect
	pids    []int          // of all its processes
	*server.Process
}

// commands check the configuration in file and run a proxy with it, in the foreground.
func commands(kind proxy.Kind, dir, file string) (check, run *exec.Cmd) {
	if kind == proxy.HAProxy {
		return exec.Command("haproxy", "-c", "-f", file), exec.Command("haproxy", "-W", "-db", "-f", file)
	}
	shared := []string{"-p", dir, "-e", filepath.Join(dir, "errors"), "-c", file}
	return exec.Command("nginx", append(shared, "-t")...), exec.Command("nginx", append(shared, "-g", "daemon off;")...)
}

// startFront starts the proxy that r asks for, whose files are in dir. The context that it returns ends when the proxy
// does.
func startFront(ctx context.Context, dir string, r proxy.Request) (*front, context.Context, error) {
	me, err := user.Current()
	if err != nil {
		return nil, nil, err
	}
	f := &front{}
	if f.address, err = ports.Free(netip.Addr{}); err != nil {
		return nil, nil, err
	}
	r.Listen, r.RunDir, r.User = f.address.String(), dir, me.Username
	var text bytes.Buffer
	if err := proxy.Write(&text, r); err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, string(r.Kind)+".conf")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, nil, err
	}
	check, run := commands(r.Kind, dir, file)
	if out, err := check.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w (tuning/deps.sh installs it)\n%s", r.Kind, err, out)
	}
	if f.Process, ctx, err = server.Run(ctx, string(r.Kind), run, filepath.Join(dir, string(r.Kind)+".log")); err != nil {
		return nil, nil, err
	}
	if err := f.waitReady(ctx, run.Process.Pid, processes(r)); err != nil {
		f.Stop(stopTimeout)
		return nil, nil, err
	}
	return f, ctx, nil
}

// processes is how many processes a proxy has: one that supervises, and workers, which are threads of one with HAProxy.
func processes(r proxy.Request) int {
	if r.Kind == proxy.HAProxy {
		return 2
	}
	return 1 + r.Workers
}

// waitReady waits until the proxy accepts and all its processes are there.
func (f *front) waitReady(ctx context.Context, pid, count int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the proxy does not accept after %v", startTimeout))
	defer cancel()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp4", f.address.String())
		if err == nil {
			err = c.Close()
		}
		if err == nil {
			if f.pids, err = proc.Family(pid); err == nil && len(f.pids) == count {
				return nil
			}
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return errors.Join(context.Cause(ctx), errors.New(f.Tail()))
		}
	}
}

// CPU is the processor time that its processes have used.
func (f *front) CPU() (sum time.Duration, err error) {
	for _, pid := range f.pids {
		one, err := proc.CPU(pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// Memory is what its processes hold; what they share is counted once.
func (f *front) Memory() (sum int64, err error) {
	for _, pid := range f.pids {
		one, err := proc.Data(pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}
