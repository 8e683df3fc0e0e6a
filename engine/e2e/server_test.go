package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// shop is the configuration of most tests: a project that takes clients with and without a token.
const shop = `
node: {id: e2e}
admin_keys: [admin-key]
default_project: shop
drain: {timeout: 10s, interval: 1ms}
projects:
  shop:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "shop-shop-shop-shop-shop-shop-shop-shop"}]
    api_keys: [shop-key]
    patterns: true
    send: {"/topic/{project}/sent/**": push, "/topic/{project}/denied/**": deny}
`

// A server is a stentor process.
type server struct {
	t       testing.TB
	file    string // its configuration
	cmd     *exec.Cmd
	journal journal
	ended   chan struct{} // closed when the process is gone
	result  error         // of Wait, once ended is closed

	Client string // address for clients, host:port
	API    string // base URL of the API, without a slash at the end
}

// setup says how to start a server. The zero value is the shop on free ports.
type setup struct {
	config      string   // "" is shop
	set         []string // key.path=value
	client, api string   // addresses; "" takes a free port
	files       int      // most open files, 0 for what the test may have
	dev         bool     // serve --dev, without a configuration
}

// start starts a server, which is stopped at the end of the test.
func start(t testing.TB, o setup) *server {
	t.Helper()
	if o.config == "" {
		o.config = shop
	}
	if o.client == "" {
		o.client = "127.0.0.1:0"
	}
	if o.api == "" {
		o.api = "127.0.0.1:0"
	}
	s := &server{t: t, file: filepath.Join(t.TempDir(), "stentor.yaml"), ended: make(chan struct{})}
	s.configure(o.config)
	args := []string{"serve", "--config", s.file}
	if o.dev {
		args = []string{"serve", "--dev"}
	}
	args = append(args, "--set", "listen.client="+o.client, "--set", "listen.api="+o.api, "--set", "log.format=json")
	for _, kv := range o.set {
		args = append(args, "--set", kv)
	}
	s.cmd = program(args...)
	if o.files > 0 {
		s.cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, o.files), binary}, args...)...)
		s.cmd.Env = environment()
	}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout = s.cmd.Stderr // --dev says there where it listens
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.journal.Read(out)
		s.result = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.stop)
	s.addresses(o.dev)
	return s
}

// addresses waits until the server says where it listens.
func (s *server) addresses(dev bool) {
	s.t.Helper()
	var clients, api string
	ok := false
	if dev {
		var page, ws string
		page, _ = s.journal.find(0, s.ended, func(line string) bool { return strings.HasPrefix(line, "  page ") })
		ws, ok = s.journal.find(0, s.ended, func(line string) bool { return strings.HasPrefix(line, "  clients ") })
		clients, api = last(ws), last(page)
	} else {
		var line map[string]any
		if line, ok = s.journal.wait("serving", s.ended); ok {
			clients, api = line["clients"].(string), line["api"].(string)
		}
	}
	if !ok {
		s.t.Fatalf("the server does not serve:\n%s", s.journal.Text())
	}
	s.Client = strings.TrimSuffix(strings.TrimPrefix(clients, "ws://"), "/ws")
	s.API = strings.TrimSuffix(api, "/")
}

// last is the last word of a line.
func last(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

// program is a command of the binary under test.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = environment()
	return cmd
}

// environment is the test's without what would configure a server.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "STENTOR_") {
			env = append(env, kv)
		}
	}
	return env
}

// configure writes the configuration file.
func (s *server) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
}

// term asks the server to leave, and does not wait.
func (s *server) term() { s.signal(syscall.SIGTERM) }

// stop ends the server and checks that it ended well.
func (s *server) stop() {
	select {
	case <-s.ended:
	default:
		s.term()
	}
	s.waitEnd()
}

// waitEnd waits for the end of a server that was told to leave.
func (s *server) waitEnd() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(2 * patience):
		s.t.Errorf("the server does not end:\n%s", s.journal.Text())
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	if s.result != nil {
		s.t.Errorf("the server ended with %v:\n%s", s.result, s.journal.Text())
	}
	for _, bad := range []string{"DATA RACE", "panic"} {
		if text := s.journal.Text(); strings.Contains(text, bad) {
			s.t.Errorf("the server logged a %s:\n%s", bad, text)
		}
	}
}

// pid is the process.
func (s *server) pid() int { return s.cmd.Process.Pid }

// descriptors counts the open files of the process.
func (s *server) descriptors() int {
	s.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

// lastPort is what freePort gave last.
var lastPort atomic.Int32

// freePort is an address that a server can be started on again and again: outside of the range from which the kernel
// takes the ports of clients.
func freePort(t testing.TB) string {
	t.Helper()
	lastPort.CompareAndSwap(0, int32(10000+os.Getpid()%10000))
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// A journal keeps what a server logs.
type journal struct{ testkit.Journal }

// wait returns the first line with this message, which may have been logged before. It gives up when the server has
// ended.
func (j *journal) wait(message string, ended <-chan struct{}) (map[string]any, bool) {
	return j.waitAfter(0, message, ended)
}

// waitAfter is wait that looks only behind the first n lines.
func (j *journal) waitAfter(n int, message string, ended <-chan struct{}) (found map[string]any, ok bool) {
	_, ok = j.find(n, ended, func(text string) bool {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil || line["msg"] != message {
			return false
		}
		found = line
		return true
	})
	return found, ok
}

// find waits for a line behind the first n for which fits holds.
func (j *journal) find(n int, ended <-chan struct{}, fits func(string) bool) (line string, ok bool) {
	late := time.After(patience)
	for over := false; ; {
		lines, grown := j.After(n)
		n += len(lines)
		for _, line := range lines {
			if fits(line) {
				return line, true
			}
		}
		if over {
			return "", false
		}
		select {
		case <-grown:
		case <-ended:
			over = true // and one more look
		case <-late:
			over = true
		}
	}
}
