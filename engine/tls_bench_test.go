package engine

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"

	"stentor/engine/websocket"
)

// BenchmarkTLSMemory is the heap that a connection which is open and idle takes beyond a plain one, after a collection: without
// its cipher (idle, at most 400 bytes), with it (warm, at most 1,200), and with crypto/tls's records.
func BenchmarkTLSMemory(b *testing.B) {
	const connections = 2000
	plain := heapOf(b, connections, false, false, 0)
	for _, c := range []struct {
		name   string
		ours   bool
		bytes  int
		target float64
	}{{"idle", true, 0, 400}, {"warm", true, 64 << 20, 1200}, {"go", false, 0, 0}} {
		b.Run(c.name, func(b *testing.B) {
			over := 0.0
			for b.Loop() {
				over = heapOf(b, connections, true, c.ours, c.bytes) - plain
			}
			b.ReportMetric(over, "bytes/connection")
			if c.target > 0 {
				b.ReportMetric(c.target, "target")
			}
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
