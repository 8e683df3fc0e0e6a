//go:build clients

// Package java tests the client in Java of docs/clients.md as it stands there: Maven builds it with the page's
// dependencies, and it runs against a node. So does Spring's SockJsClient.
package java

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/clients/go/clienttest"
	"stentor/engine/testkit"
	"stentor/engine/websocket"
)

// patience bounds the wait for any one thing.
const patience = time.Minute

const page = "../../docs/clients.md"

const shop = `
node: {id: recipe}
drain: {timeout: 10s, interval: 1ms}
projects:
  shop:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "shop-shop-shop-shop-shop-shop-shop-shop"}]
    api_keys: [shop-key]
`

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// codec is what Spring's SockJsClient reads JSON with, in addition to what the page's client needs.
const codec = `
<dependency>
  <groupId>com.fasterxml.jackson.core</groupId>
  <artifactId>jackson-databind</artifactId>
  <version>2.19.2</version>
</dependency>
`

// build compiles the clients, and returns the class path to run them with.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	pom, err := os.ReadFile("pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	complete := strings.Replace(string(pom), "<dependencies/>", "<dependencies>\n"+testkit.Block(t, page, "xml")+codec+"</dependencies>", 1)
	if err := os.MkdirAll(filepath.Join(dir, "src/main/java"), 0o755); err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{"pom.xml": complete, "src/main/java/Orders.java": testkit.Block(t, page, "java")}
	for _, name := range []string{"Main.java", "SockJs.java"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources["src/main/java/"+name] = string(text)
	}
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Maven(t, dir, "compiler:compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath")
	jars, err := os.ReadFile(filepath.Join(dir, "classpath"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "target/classes") + ":" + string(jars)
}

// A client is a process that runs one.
type client struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string // closed at its end
	ended chan error
}

func run(t *testing.T, classes, url string) *client { return start(t, classes, "Main", url) }

// start runs a class with its arguments.
func start(t *testing.T, classes, class string, args ...string) *client {
	t.Helper()
	cmd := exec.Command("java", append([]string{"-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classes, class}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, in: in, lines: make(chan string, 100), ended: make(chan error, 1)}
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c.lines <- lines.Text()
		}
		close(c.lines)
		c.ended <- cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return c
}

// next returns the next line, and fails unless it begins like that.
func (c *client) next(want string) string {
	c.t.Helper()
	select {
	case line, more := <-c.lines:
		if !more || !strings.HasPrefix(line, want) {
			c.t.Fatalf("the client says %q, want %q", line, want)
		}
		return line
	case <-time.After(patience):
		c.t.Fatalf("the client does not say %q", want)
		return ""
	}
}

// token answers the question for a token, "" for none to be had.
func (c *client) token(token string) {
	c.t.Helper()
	c.next("token")
	if _, err := fmt.Fprintln(c.in, token); err != nil {
		c.t.Fatal(err)
	}
}

// end closes the client, and checks that nothing keeps its process.
func (c *client) end() {
	c.t.Helper()
	c.in.Close()
	for late := time.After(patience); ; {
		select {
		case line, more := <-c.lines:
			if more {
				c.t.Errorf("the client says %q while it closes", line)
				continue
			}
			if err := <-c.ended; err != nil {
				c.t.Error(err)
			}
			return
		case <-late:
			c.t.Fatal("the client's process does not end")
		}
	}
}

// way is a way to a node that can be cut.
type way struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func newWay(t *testing.T, to string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{Listener: l}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			node, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, from, node)
			w.mu.Unlock()
			go func() { io.Copy(node, from); node.Close() }()
			go func() { io.Copy(from, node); from.Close() }()
		}
	}()
	t.Cleanup(func() { l.Close(); w.cut() })
	return w
}

// cut resets all connections: no close frame comes.
func (w *way) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	w.open = nil
}

func TestClients(t *testing.T) {
	classes := build(t)
	t.Run("resumes", func(t *testing.T) { resumes(t, classes) })
	t.Run("obeys the close", func(t *testing.T) { obeys(t, classes) })
	t.Run("SockJS", func(t *testing.T) { sockJs(t, classes) })
}

func resumes(t *testing.T, classes string) {
	n := testkit.Start(t, testkit.Setup{Config: shop, Client: testkit.FreePort(t), Patience: patience, HTTP: http.DefaultClient})
	w := newWay(t, strings.TrimSuffix(strings.TrimPrefix(n.Clients(), "ws://"), "/ws"))
	c := run(t, classes, "ws://"+w.Addr().String()+"/ws")
	push := func(body string) {
		t.Helper()
		if r := n.Push(t, "shop", fmt.Appendf(nil, `{"user":"ann","destination":"/queue/orders","payload":%q}`, body)); r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	shows := func(body string) {
		t.Helper()
		if line := c.next("show "); line != "show "+body {
			t.Fatalf("the client shows %.100q, want %.100q", line[len("show "):], body)
		}
	}
	subscribed := func() {
		t.Helper()
		testkit.Eventually(t, patience, func() string { return "the client is not subscribed" }, func() bool { return n.Metric(t, "stentor_subscriptions") == 1 })
	}

	c.token("") // no reason to give up
	c.next("waiting ")
	c.token(n.Token(t, "shop", "ann", "--exp", "-1h")) // nor is one that has expired
	c.next("waiting ")
	c.token(n.Token(t, "shop", "ann"))
	subscribed()
	push("one")
	shows("one")
	large := strings.Repeat("x", 100_000) // more than Tomcat and Spring take by default
	push(large)
	shows(large)

	w.cut()
	c.next("waiting ")
	for _, body := range []string{"two", "three"} { // while it is away
		push(body)
	}
	c.token(n.Token(t, "shop", "ann"))
	shows("two")
	shows("three")

	n.Leave()
	n.Start() // with a bus of its own: nobody knows what it had before
	for line := c.next(""); line != "gap"; line = c.next("") {
		if line == "token" {
			fmt.Fprintln(c.in, n.Token(t, "shop", "ann"))
		}
	}
	push("four")
	shows("four")

	n.Must(t, http.MethodDelete, "/v1/projects/shop/users/ann/sessions", "shop-key", nil)
	c.next("waiting ")
	c.token(n.Token(t, "shop", "ann", "--claim", "subscribe=/topic/shop/all"))
	c.next("refused ")
	c.end()
}

func obeys(t *testing.T, classes string) {
	s := clienttest.NewServer(t)
	c := run(t, classes, s.URL())
	c.token("a")
	server, headers := s.Connected("0,0")
	if headers["projectId"] != "shop" || headers["token"] != "a" {
		t.Errorf("CONNECT %v", headers)
	}
	server.Subscribed("position", "1-0-5")
	server.Raw(websocket.AppendClose(nil, ws.StatusCode(1012), "retry=317 the node is leaving"))
	if line := c.next("waiting "); line != "waiting 317" {
		t.Errorf("the client says %q", line)
	}
	c.token("b")

	server, _ = s.Connected("0,0")
	if h := server.Subscribed("position", "2-0-9", "resumed", "false"); h["last-message-id"] != "1-0-5" {
		t.Errorf("SUBSCRIBE %v", h)
	}
	c.next("gap")
	server.Close(1013)
	c.next("waiting ")
	c.token("c")

	server, _ = s.Connected("0,0")
	h := server.Subscribed("resumed", "true")
	if h["last-message-id"] != "2-0-9" {
		t.Errorf("SUBSCRIBE %v", h)
	}
	server.Send("MESSAGE", "five", "destination", h["destination"], "message-id", "2-0-10", "subscription", h["id"], "resumed", "true")
	c.next("show five")
	c.end()
	server.Expect("DISCONNECT")
}
