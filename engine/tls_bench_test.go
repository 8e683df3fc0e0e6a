package engine

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"stentor/engine/websocket"
)

// cpu is what the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTLSHandshakes is the CPU of handshakes, client and server, with a node of either kind of records, and with crypto/tls
// on blocking sockets.
func BenchmarkTLSHandshakes(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		name := "full"
		if resumed {
			name = "resumed"
		}
		for _, kind := range []string{"blocking", "go", "ours"} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				n, trust, stop := startSecure(b, kind == "ours", func(*Options) {})
				defer stop()
				trust.CurvePreferences = []tls.CurveID{tls.X25519}
				if resumed {
					trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				}
				address := n.Addresses()[0].String()
				if kind == "blocking" {
					address = blocking(b, n.opts.TLS.Config)
				}
				shakeOnce(b, address, trust)
				before := cpu()
				for b.Loop() {
					shakeOnce(b, address, trust)
				}
				b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-us/op")
			})
		}
	}
}

// blocking serves TLS with a goroutine for each connection.
func blocking(b *testing.B, conf *tls.Config) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				t := tls.Server(c, conf)
				_, _ = t.Read(make([]byte, 512))
				_, _ = t.Write([]byte("HTTP/1.1 404 Not Found\r\n\r\n"))
			}()
		}
	}()
	return l.Addr().String()
}

// shakeOnce makes a handshake and asks for a page.
func shakeOnce(b *testing.B, address string, trust *tls.Config) {
	c, err := tls.Dial("tcp", address, trust)
	if err != nil {
		b.Fatal(err)
	}
	_, err = c.Write([]byte("GET /none HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	if err == nil {
		_, err = io.ReadAtLeast(c, make([]byte, 512), 10)
	}
	if err != nil {
		b.Fatal(err)
	}
	_ = c.Close()
}

// BenchmarkTLSMemory is the heap that a connection which is open and idle takes beyond a plain one, after a collection: without
// its cipher (idle), with it (warm), and with crypto/tls's records.
func BenchmarkTLSMemory(b *testing.B) {
	const connections = 2000
	plain := heapOf(b, connections, false, false, 0)
	for _, c := range []struct {
		name  string
		ours  bool
		bytes int
	}{{"idle", true, 0}, {"warm", true, 64 << 20}, {"go", false, 0}} {
		b.Run(c.name, func(b *testing.B) {
			over := 0.0
			for b.Loop() {
				over = heapOf(b, connections, true, c.ours, c.bytes) - plain
			}
			b.ReportMetric(over, "bytes/connection")
		})
	}
}

// heapOf is the heap for each of n WebSockets, whose clients keep their sockets alone.
func heapOf(b *testing.B, n int, secure, ours bool, ciphers int) float64 {
	node, trust, stop := startSecure(b, ours, func(o *Options) {
		o.TLS.CipherBytes = ciphers
		o.Limits.Connections, o.Limits.Unauthenticated, o.Limits.UnauthenticatedPerAddress = 2*n, 2*n, 2*n
		if !secure {
			o.Listen = []string{"127.0.0.1:0"}
		}
	})
	defer stop()
	address := node.Addresses()[0].String()
	clients := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	before := heap()
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
		over := c
		if secure {
			over = tls.Client(c, trust)
		}
		_, err = over.Write(websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
		if err == nil {
			_, err = io.ReadAtLeast(over, make([]byte, 512), 12)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return float64(heap()-before) / float64(n)
}

// heap is what lives, after collections that also empty pools.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) + int64(m.StackInuse)
}
