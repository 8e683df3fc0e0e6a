package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
	"stentor/tuning/proxy"
)

// A front is a proxy before servers: a process of the distribution's nginx or HAProxy with a configuration that
// `stentor proxy-config` would write.
type front struct {
	t       testing.TB
	Address string // where clients connect
	cmd     *exec.Cmd
	out     bytes.Buffer // once ended is closed
	ended   chan struct{}
}

// behind starts a proxy, which ends with the test. What the request leaves out is chosen for the test.
func behind(t testing.TB, r proxy.Request) *front {
	t.Helper()
	dir := socketDir(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, Address: testkit.FreePort(t), ended: make(chan struct{})}
	r.Listen, r.RunDir, r.User, r.Connections, r.Workers = f.Address, dir, me.Username, max(r.Connections, 2000), 2
	var text bytes.Buffer
	if err := proxy.Write(&text, r); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "configuration")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	errors := filepath.Join(dir, "errors")
	check, run := []string{"haproxy", "-c", "-f", file}, []string{"haproxy", "-W", "-db", "-f", file}
	if r.Kind == proxy.Nginx {
		check = []string{"nginx", "-t", "-p", dir, "-e", errors, "-c", file}
		run = []string{"nginx", "-p", dir, "-e", errors, "-c", file, "-g", "daemon off;"}
	}
	if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v (make tuning-deps installs it)\n%s\n%s", check, err, out, &text)
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
	eventually(t, "the proxy accepts", func() bool {
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

// socketDir is a directory whose name is short enough for a Unix socket, which other users may enter.
func socketDir(t testing.TB) string {
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

func (f *front) stop() {
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-f.ended:
	case <-time.After(patience):
		_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
		<-f.ended
		f.t.Errorf("the proxy does not end:\n%s", &f.out)
	}
}

// reload has the proxy read its configuration again.
func (f *front) reload(kind proxy.Kind) {
	f.t.Helper()
	sig := map[proxy.Kind]syscall.Signal{proxy.Nginx: syscall.SIGHUP, proxy.HAProxy: syscall.SIGUSR2}[kind]
	if err := f.cmd.Process.Signal(sig); err != nil {
		f.t.Fatal(err)
	}
}

// wantAddresses checks that the sessions are listed with their clients' own addresses.
func (s *server) wantAddresses(t testing.TB, want []string) {
	t.Helper()
	var got []string
	for _, one := range s.sessions(t, "shop", "shop-key", "?limit=1000") {
		got = append(got, one.Address)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the sessions are from %.300v (%d), want %.300v (%d)", got, len(got), want, len(want))
	}
}

// listening are the addresses that a server with several of them serves, by what they begin with.
func (s *server) listening(scheme string) (all []string) {
	for one := range strings.SplitSeq(s.Clients(), ",") {
		if rest, ok := strings.CutPrefix(one, scheme); ok {
			all = append(all, strings.TrimSuffix(rest, "/ws"))
		}
	}
	return all
}

// newCertificate makes a certificate for loopback and a key, as HAProxy wants to find them.
func newCertificate(t testing.TB) (file string, trusting *tls.Config) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	if file, err = pair.Write(socketDir(t)); err != nil {
		t.Fatal(err)
	}
	return file, pair.Trusting()
}

// joinTLS is a client over wss with CONNECTED, which comes as a page of the proxy's own origin would.
func (f *front) joinTLS(t testing.TB, conf *tls.Config, origin string) (*peer, error) {
	t.Helper()
	p, err := open(t, from(sources[0].AsSlice()), f.Address)
	if err != nil {
		return nil, err
	}
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	p.conn = tls.Client(p.conn, conf)
	if err := p.upgrade("/ws", "Origin: "+origin); err != nil {
		return nil, err
	}
	p.connect()
	return p, nil
}

// throughTLS has n clients join over wss and each hear some pushes.
func throughTLS(t *testing.T, s *server, f *front, conf *tls.Config, n int) []string {
	t.Helper()
	var peers []*peer
	var addresses []string
	for range n {
		p, err := f.joinTLS(t, conf, "https://stentor.test")
		if err != nil {
			t.Fatal(err)
		}
		p.subscribe("a", "/topic/shop/all")
		peers = append(peers, p)
		addresses = append(addresses, p.conn.LocalAddr().String())
	}
	const pushes = 5
	for i := range pushes {
		s.push(t, fields{"topic": "all", "payload": fmt.Sprint("push ", i)})
	}
	for _, p := range peers {
		for i := range pushes {
			p.wantMessage(fmt.Sprint("push ", i))
		}
	}
	if _, err := f.joinTLS(t, conf, "http://stentor.test"); err == nil {
		t.Error("a page that came without TLS may connect, so that X-Forwarded-Proto does not count")
	}
	slices.Sort(addresses)
	return addresses
}
