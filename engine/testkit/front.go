package testkit

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"stentor/tuning/proxy"
)

// A Front is a proxy before servers: a process of the distribution's nginx or HAProxy with a configuration that
// `stentor proxy-config` would write.
type Front struct {
	t       testing.TB
	Address string // where clients connect
	cmd     *exec.Cmd
	out     bytes.Buffer // once ended is closed
	ended   chan struct{}
}

// Behind starts a proxy, which ends with the test. What the request leaves out is chosen for the test.
func Behind(t testing.TB, r proxy.Request) *Front {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return BehindOther(t, r.Kind, func(listen, dir string) string {
		r.Listen, r.RunDir, r.User, r.Connections, r.Workers = listen, dir, me.Username, max(r.Connections, 2000), 2
		var text bytes.Buffer
		if err := proxy.Write(&text, r); err != nil {
			t.Fatal(err)
		}
		return text.String()
	})
}

// BehindOther starts a proxy with a configuration that somebody else would write, which listens at listen and keeps its files in
// dir. It ends with the test.
func BehindOther(t testing.TB, kind proxy.Kind, configuration func(listen, dir string) string) *Front {
	t.Helper()
	dir := SocketDir(t)
	f := &Front{t: t, Address: FreePort(t), ended: make(chan struct{})}
	text := configuration(f.Address, dir)
	file := filepath.Join(dir, "configuration")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	errors := filepath.Join(dir, "errors")
	check, run := []string{"haproxy", "-c", "-f", file}, []string{"haproxy", "-W", "-db", "-f", file}
	if kind == proxy.Nginx {
		check = []string{"nginx", "-t", "-p", dir, "-e", errors, "-c", file}
		run = []string{"nginx", "-p", dir, "-e", errors, "-c", file, "-g", "daemon off;"}
	}
	if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v (make tuning-deps installs it)\n%s\n%s", check, err, out, text)
	}
	f.cmd = exec.Command(run[0], run[1:]...)
	f.cmd.Stdout, f.cmd.Stderr = &f.out, &f.out
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = f.cmd.Wait() // by a signal, as a rule
		close(f.ended)
	}()
	t.Cleanup(func() {
		f.stop()
		if text, err := os.ReadFile(errors); t.Failed() && err == nil {
			t.Logf("the proxy's errors:\n%s", text)
		}
	})
	Eventually(t, frontPatience, func() string { return "the proxy accepts" }, func() bool {
		select {
		case <-f.ended:
			t.Fatalf("the proxy ended:\n%s", &f.out)
		default:
		}
		conn, err := net.Dial("tcp", f.Address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return f
}

// frontPatience is how long a proxy may take to start, and to end.
const frontPatience = 30 * time.Second

// SocketDir is a directory whose name is short enough for a Unix socket, which other users may enter.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "front-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (f *Front) stop() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-f.ended:
	case <-time.After(frontPatience):
		_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
		<-f.ended
		f.t.Errorf("the proxy does not end:\n%s", &f.out)
	}
}

// Reload has the proxy read its configuration again.
func (f *Front) Reload(kind proxy.Kind) {
	f.t.Helper()
	sig := map[proxy.Kind]syscall.Signal{proxy.Nginx: syscall.SIGHUP, proxy.HAProxy: syscall.SIGUSR2}[kind]
	if err := f.cmd.Process.Signal(sig); err != nil {
		f.t.Fatal(err)
	}
}
