//go:build vm

package vm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is one that boots, with what deps.sh brought.
func machine(t *testing.T) *Machine {
	t.Helper()
	kernel, err := FindKernel("../../../.cache/vm")
	if err != nil {
		t.Fatal(err)
	}
	return &Machine{Kernel: kernel, Memory: 512 << 20, Out: t.TempDir(), Timeout: 5 * time.Minute}
}

func TestMachine(t *testing.T) {
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t)
	m.Modules = []string{"ip_vs_wlc", "veth", "tls"}
	m.Files = []File{{Host: sh, Guest: "/bin/host-sh"}} // a program with libraries
	m.Env = map[string]string{"GREETING": "it's me"}
	m.Job = `host-sh -c 'echo "$GREETING, $(id -u)"' >greeting; out greeting
lsmod >modules; mkdir d; ulimit -n 2000000 2>/dev/null; echo 3000000 >/proc/sys/fs/nr_open; ulimit -n 2000000; ulimit -n >d/limit
out modules /root/d/limit
exit 7`
	status, err := m.Run(t.Context())
	if status != 7 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for file, want := range map[string]string{"greeting": "it's me, 0\n", "root/d/limit": "2000000\n"} {
		if b, err := os.ReadFile(filepath.Join(m.Out, file)); string(b) != want {
			t.Errorf("%s: %q, %v", file, b, err)
		}
	}
	b, _ := os.ReadFile(filepath.Join(m.Out, "modules"))
	for _, name := range []string{"ip_vs_wlc", "nf_conntrack", "veth", "tls"} {
		if !strings.Contains(string(b), name) {
			t.Errorf("module %s is not there", name)
		}
	}
}

// What came out before a machine is ended is there.
func TestMachineIsEnded(t *testing.T) {
	m := machine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	m.Console = writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("it is out")) {
			cancel(enough)
		}
		return len(b), nil
	})
	m.Job = `echo kept >f; out f; echo it is out; sleep 1000`
	if _, err := m.Run(ctx); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(filepath.Join(m.Out, "f")); string(b) != "kept\n" {
		t.Errorf("%q, %v", b, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestMachineEndsInTime(t *testing.T) {
	m := machine(t)
	m.Timeout = time.Second
	m.Job = `sleep 1000`
	if _, err := m.Run(t.Context()); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

func TestUnknownModule(t *testing.T) {
	m := machine(t)
	m.Modules = []string{"no-such-module"}
	if _, err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_module") {
		t.Errorf("%v", err)
	}
}
