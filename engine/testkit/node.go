package testkit

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Setup says how a node is started.
type Setup struct {
	Config      string   // text of its configuration file
	Set         []string // key.path=value
	Client, API string   // addresses; "" takes a free port
	Files       int      // limit of open files, 0 for that of the test
	Dev         bool     // serve --dev, without a configuration
	Registry    bool     // a registry, not a node: Client is where it listens, URL where it answers
	Unread      int      // the log's pipe holds so many bytes, and is read only until the node serves; 0 reads all
	Killed      bool     // at the end of the test. Else it is told to leave, and has to end without an error

	Patience time.Duration // bounds the wait for any one thing
	HTTP     *http.Client  // for the API
}

// A Node is a stentor process, and after its end the next one with the same configuration. Only the test's goroutine starts
// and ends it; any goroutine may use it.
type Node struct {
	Journal Journal // of all its processes

	t     testing.TB
	setup Setup
	file  string // its configuration

	mu   sync.Mutex
	last *process // nil before the first
}

// New returns a node that is not started.
func New(t testing.TB, o Setup) *Node {
	t.Helper()
	if o.Client == "" {
		o.Client = "127.0.0.1:0"
	}
	if o.API == "" {
		o.API = "127.0.0.1:0"
	}
	n := &Node{t: t, setup: o, file: filepath.Join(t.TempDir(), "stentor.yaml")}
	n.Configure(o.Config)
	t.Cleanup(n.finish)
	return n
}

// Start is New and Node.Start. The node ends with the test.
func Start(t testing.TB, o Setup) *Node {
	t.Helper()
	n := New(t, o)
	n.Start()
	return n
}

// Configure writes the configuration file.
func (n *Node) Configure(text string) {
	n.t.Helper()
	if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// Command returns the command that starts the node, with additional settings.
func (n *Node) Command(set ...string) *exec.Cmd {
	args := []string{"serve", "--config", n.file}
	if n.setup.Dev {
		args = []string{"serve", "--dev"}
	}
	args = append(args, "--set", "listen.client="+n.setup.Client, "--set", "listen.api="+n.setup.API, "--set", "log.format=json")
	if n.setup.Registry {
		args = []string{"registry", "--config", n.file, "--set", "listen.client=" + n.setup.Client, "--set", "log.format=json"}
	}
	for _, kv := range append(n.setup.Set[:len(n.setup.Set):len(n.setup.Set)], set...) {
		args = append(args, "--set", kv)
	}
	cmd := Command(args...)
	if n.setup.Files > 0 {
		cmd.Path = "/bin/sh"
		cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n.setup.Files)}, cmd.Args...)
	}
	return cmd
}

// Start runs the node and returns when it serves.
func (n *Node) Start() {
	n.t.Helper()
	from := n.Journal.Count()
	p, err := n.run()
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.last = p
	n.mu.Unlock()
	clients, api, ok := n.serving(p, from)
	if !ok {
		n.t.Fatalf("the node does not serve:\n%s", n.Journal.Text())
	}
	n.mu.Lock()
	p.clients, p.api = clients, api
	n.mu.Unlock()
}

// serving waits until a process says where it listens.
func (n *Node) serving(p *process, from int) (clients, api string, ok bool) {
	if !n.setup.Dev {
		var line map[string]any
		_, ok = n.Journal.Wait(from, Saying("serving", &line), p.ended, n.setup.Patience)
		clients, _ = line["clients"].(string)
		api, _ = line["api"].(string)
		if n.setup.Registry {
			api, _ = line["endpoints"].(string)
			api = strings.TrimSuffix(api, "/v1/endpoints")
		}
		return clients, strings.TrimSuffix(api, "/"), ok
	}
	said := func(what string) string {
		line, found := n.Journal.Wait(from, func(line string) bool { return strings.HasPrefix(line, "  "+what+" ") }, p.ended, n.setup.Patience)
		ok = found
		return line[strings.LastIndexByte(line, ' ')+1:]
	}
	api = strings.TrimSuffix(said("page"), "/")
	clients = said("clients")
	return clients, api, ok
}

// Logged waits for a line with this message after the first after lines, and returns its attributes.
func (n *Node) Logged(after int, message string) map[string]any {
	n.t.Helper()
	var line map[string]any
	if _, ok := n.Journal.Wait(after, Saying(message, &line), n.process().ended, n.setup.Patience); !ok {
		n.t.Fatalf("the node does not log %q:\n%s", message, n.Journal.Text())
	}
	return line
}

// Clients returns the URLs where the node serves clients, or last served them, separated by commas.
func (n *Node) Clients() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last.clients
}

// URL returns the URL of the API, without a slash at the end.
func (n *Node) URL() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last.api
}

func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}
