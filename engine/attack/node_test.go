//go:build attacks

package attack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
)

// A node is a stentor process.
type node struct {
	t      testing.TB
	cmd    *exec.Cmd
	log    *journal
	ended  chan struct{} // closed when the process is gone
	result error         // of Wait, once ended is closed

	Client  string // address for clients, host:port
	Proxied string // the second address: for proxies that send the PROXY protocol, or with TLS; "" for none
	API     string // base URL of the API, without a slash at the end
}

// startNode starts a node with these settings (key.path=value), which is stopped at the end of the test.
func startNode(t testing.TB, set []string) *node {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stentor.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := certificate.New()
	if err == nil {
		_, err = pair.Write(filepath.Dir(file)) // for those who set overTLS
	}
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--config", file, "--set", "listen.client=127.0.0.1:0", "--set", "listen.api=127.0.0.1:0"}
	for _, kv := range set {
		args = append(args, "--set", kv)
	}
	n := &node{t: t, cmd: testkit.Command(args...), ended: make(chan struct{})}
	n.cmd.Env = plainEnvironment()
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	n.cmd.Stderr = write
	err = n.cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	n.log = &journal{pipe: read, serving: make(chan struct{})}
	go n.log.read()
	go func() {
		n.result = n.cmd.Wait()
		close(n.ended)
	}()
	t.Cleanup(n.stop)
	select {
	case <-n.log.serving:
	case <-n.ended:
		t.Fatalf("the node has ended: %v\n%s", n.result, n.log.end.String())
	case <-time.After(patience):
		t.Fatalf("the node does not serve:\n%s", n.log.end.String())
	}
	clients, proxies, _ := strings.Cut(n.log.client, ",")
	n.Client, n.Proxied = hostPort(clients), hostPort(proxies)
	n.API = strings.TrimSuffix(n.log.api, "/")
	return n
}

// hostPort is the address of a WebSocket's URL.
func hostPort(url string) string {
	_, address, _ := strings.Cut(url, "://")
	return strings.TrimSuffix(address, "/ws")
}

// plainEnvironment is the test's without what would configure a node.
func plainEnvironment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "STENTOR_") && !strings.HasPrefix(kv, "GO") {
			env = append(env, kv)
		}
	}
	return env
}

// stands says what is wrong with the node, nil when it lives and never recovered from a panic.
func (n *node) stands() error {
	select {
	case <-n.ended:
		return fmt.Errorf("the node has ended: %v\n%s", n.result, n.log.end.String())
	default:
	}
	panics, err := n.metric("stentor_panics_total")
	if err != nil {
		return err
	}
	if panics > 0 {
		return fmt.Errorf("the node recovered from %v panics:\n%s", panics, n.log.end.String())
	}
	return nil
}

// stop ends the node. How it leaves is for other tests to look at.
func (n *node) stop() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.ended
	n.log.pipe.Close()
}

func (n *node) pid() int { return n.cmd.Process.Pid }

// peak is the most memory that was resident since the start of the process, in bytes.
func (n *node) peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", n.pid())
}

// descriptors counts the open files of the process.
func (n *node) descriptors() (int, error) {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.pid()))
	return len(all), err
}

// limitDescriptors sets how many files the process may have open, and returns what it was.
func (n *node) limitDescriptors(most uint64) (before uint64, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(n.pid(), unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return 0, err
	}
	return old.Cur, unix.Prlimit(n.pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: old.Max}, nil)
}

var caller = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// metric returns the sum of all samples of a metric, 0 when there is none.
func (n *node) metric(name string) (float64, error) {
	res, err := caller.Get(n.API + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var sum float64
	for line := range strings.Lines(string(b)) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if of, _, _ := strings.Cut(line[:at], "{"); of == name {
			var v float64
			if _, err := fmt.Sscan(line[at+1:], &v); err != nil {
				return 0, fmt.Errorf("%s: %w", line, err)
			}
			sum += v
		}
	}
	return sum, nil
}

// A journal reads what a node logs, as long as it is let.
type journal struct {
	pipe        *os.File
	serving     chan struct{} // closed when client and api are known
	client, api string
	end         tail
	still       sync.Mutex // held while the reader stands still
}

func (j *journal) read() {
	for in := bufio.NewReader(j.pipe); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		j.still.Lock()
		_, _ = j.end.Write(line)
		j.still.Unlock()
		var l struct{ Msg, Clients, API string }
		if j.client == "" && json.Unmarshal(line, &l) == nil && l.Msg == "serving" {
			j.client, j.api = l.Clients, l.API
			close(j.serving)
		}
	}
}

// ask is a GET of a tenant that has to be answered.
func (n *node) ask(project, path string) error {
	req, err := http.NewRequest("GET", n.API+"/v1/projects/"+project+"/"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+project+"-key")
	res, err := caller.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s: %.200s", path, project, res.Status, text)
	}
	return err
}
