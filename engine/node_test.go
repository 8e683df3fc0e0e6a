package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/engine/auth"
	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// testNode is a node on a free port, with the project shop, whose clients need no token and may send.
type testNode struct {
	*Node
	bus bus.Bus
}

// startNode starts a node, on a bus that wrap, if it is there, puts around the embedded one. stop ends it, once.
func startNode(t *testing.T, wrap func(bus.Bus) bus.Bus) (n testNode, stop func()) {
	t.Helper()
	return startNodeWith(t, wrap, func(*Options) {})
}

// startNodeWith is startNode with changed options.
func startNodeWith(t testing.TB, wrap func(bus.Bus) bus.Bus, change func(*Options)) (n testNode, stop func()) {
	t.Helper()
	project, err := auth.NewProject(auth.ProjectConfig{
		Name: "shop", Anonymous: true, Style: destination.Prefixed, Send: []auth.SendRule{{Pattern: "/topic/shop/**", Action: auth.Push}},
	})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := auth.NewProjects([]*auth.Project{project}, nil)
	if err != nil {
		t.Fatal(err)
	}
	authenticator := auth.NewAuthenticator(projects, auth.Options{Workers: 2, Queue: 10, CacheEntries: 10, DefaultProject: "shop"})
	origins, err := websocket.ParseOrigins(nil)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Listen:    []string{"127.0.0.1:0"},
		Endpoints: []Endpoint{{Path: "/ws", Origins: origins}},
		Loops:     3,
		Session: session.Config{
			HandshakeBytes: 8192, ConnectFrameBytes: 8192, FrameBytes: 8192, Headers: 64, HeaderBytes: 8192, IDBytes: 128,
			DestinationBytes: 1024, Unanswered: 64, InputBytes: 8192, TransactionBytes: 8192,
		},
		Shard: shard.Limits{
			HandshakeTimeout: time.Minute, ConnectTimeout: time.Minute, FramesPerSecond: 100, Subscriptions: 10, Patterns: 10,
			ReplyBytes: 1 << 16,
		},
		History:  history.Bounds{Window: time.Minute, Bytes: 1 << 20},
		Limits:   Limits{Connections: 1000, Unauthenticated: 1000, PendingBytes: 1 << 20, ReservedDescriptors: 100},
		Projects: []Project{{Auth: project, Name: "shop", SlowTimeout: time.Minute}},
		Log:      slog.New(slog.DiscardHandler),
	}
	change(&options)
	node, err := New(options, authenticator)
	if err != nil {
		t.Fatal(err)
	}
	embedded := bus.NewEmbedded(node, 1)
	n = testNode{node, embedded}
	if wrap != nil {
		n.bus = wrap(embedded)
	}
	if err := node.Start(n.bus); err != nil {
		t.Fatal(err)
	}
	return n, func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		go part(ctx)
		if err := node.Stop(ctx, Drain{Chunk: 100, Interval: time.Millisecond}); err != nil {
			t.Error(err)
		}
		authenticator.Close()
	}
}

// stat sums one of the shards' counts.
func (n testNode) stat(of func(*shard.Stats) uint64) (sum uint64) {
	for _, s := range n.shards {
		sum += of(s.Stats())
	}
	return sum
}

// testClient is a client over a plain socket.
type testClient struct {
	conn net.Conn
	seen []byte // read and not yet looked for
}

// dial opens a socket, which is closed at the end of the test.
func (n testNode) dial(t *testing.T) *testClient {
	t.Helper()
	return dialTest(t, "tcp", n.Addresses()[0].String())
}

// dialTest opens a socket, which is closed at the end of the test.
func dialTest(t *testing.T, network, address string) *testClient {
	t.Helper()
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	dialed.Store(conn, true)
	t.Cleanup(func() {
		dialed.Delete(conn)
		_ = conn.Close()
	})
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &testClient{conn: conn}
}

// dialed are the open connections of test clients.
var dialed sync.Map

// part closes the clients' side of each connection that a node has ended, as clients do, until ctx ends. A node that stops
// would wait for it for two seconds. What has come can still be read.
func part(ctx context.Context) {
	for pause(ctx, 2*time.Millisecond) {
		dialed.Range(func(c, _ any) bool {
			conn, ok := c.(interface {
				syscall.Conn
				CloseWrite() error
			})
			if ok && leftByPeer(conn) {
				_ = conn.CloseWrite()
				dialed.Delete(c)
			}
			return true
		})
	}
}

// leftByPeer reports whether all that the other end has to say has come.
func leftByPeer(c syscall.Conn) (left bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, _ = unix.Poll(poll, 0)
		left = poll[0].Revents&unix.POLLRDHUP != 0
	})
	return left
}

func (c *testClient) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func (c *testClient) upgrade(t *testing.T) {
	t.Helper()
	c.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
	c.until(t, "\r\n\r\n")
}

func (c *testClient) connect(t *testing.T) {
	t.Helper()
	c.upgrade(t)
	c.send(t, stomp.Connect)
	c.until(t, "CONNECTED")
}

// send sends a frame with headers, names and values in turn.
func (c *testClient) send(t *testing.T, command stomp.Command, header ...string) {
	t.Helper()
	f := stomp.Frame{Command: command}
	for i := 0; i+1 < len(header); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(header[i]), Value: []byte(header[i+1])})
	}
	c.write(t, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, stomp.AppendFrame(nil, stomp.V10, &f)))
}

// until reads until text has come.
func (c *testClient) until(t *testing.T, text string) {
	t.Helper()
	for {
		if i := bytes.Index(c.seen, []byte(text)); i >= 0 {
			c.seen = c.seen[i+len(text):]
			return
		}
		b := make([]byte, 4096)
		n, err := c.conn.Read(b)
		c.seen = append(c.seen, b[:n]...)
		if n == 0 && err != nil {
			t.Fatalf("%v before %q; there is %q", err, text, c.seen)
		}
	}
}

// end reads until the server has closed.
func (c *testClient) end(t *testing.T) {
	t.Helper()
	b := make([]byte, 4096)
	for {
		n, err := c.conn.Read(b)
		var timeout net.Error
		switch {
		case n > 0:
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Fatal("the server does not close")
		default:
			return
		}
	}
}
