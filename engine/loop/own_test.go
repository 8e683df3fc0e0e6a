package loop

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/shard"
	"stentor/engine/tls13"
)

// sink is a shard that counts what it gets.
type sink struct {
	above
	bytes int
}

func (s *sink) Input(_ *shard.Conn, plain []byte) { s.bytes += len(plain) }
func (s *sink) Recount(*shard.Conn)               {}

// taker is a socket that takes everything.
type taker struct {
	gnet.Conn
	bytes int
}

func (k *taker) OutboundBuffered() int { return 1 } // so that gnet writes, which this is
func (k *taker) Write(p []byte) (int, error) {
	k.bytes += len(p)
	return len(p), nil
}

// takenOver begins records, as those of a client or a server.
func takenOver(t *testing.T, r *tls13.Records, client bool) {
	t.Helper()
	ours, theirs := "SERVER", "CLIENT"
	if client {
		ours, theirs = theirs, ours
	}
	var s tls13.Secrets
	_, _ = fmt.Fprintf(&s, "SERVER_TRAFFIC_SECRET_0 00 %x\n", bytes.Repeat([]byte(ours[:1]), 32))
	_, _ = fmt.Fprintf(&s, "CLIENT_TRAFFIC_SECRET_0 00 %x\n", bytes.Repeat([]byte(theirs[:1]), 32))
	if err := s.TakeOver(r, tls13.AES128GCMSHA256, nil); err != nil {
		t.Fatal(err)
	}
}

// TestOwnAllocates: what a loop writes over TLS makes no garbage once the cipher is kept; what it reads makes the cipher of the
// other direction, once for all that has arrived.
func TestOwnAllocates(t *testing.T) {
	up, down := &sink{}, &taker{}
	l := &Loop{above: up, layer: tls13.NewLayer(1 << 20)}
	s := &secure{Conn: down, phase: openPhase, own: true}
	takenOver(t, &s.records, false)
	push := bytes.Repeat([]byte("x"), 332)
	write := func() {
		if _, err := l.write(s, push); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if n := testing.AllocsPerRun(100, write); n != 0 {
		t.Errorf("%v allocations for a write", n)
	}
	const writes, overhead = 102, 5 + 1 + 16
	if want := writes * (len(push) + overhead); down.bytes != want {
		t.Errorf("%d bytes were written, expected %d", down.bytes, want)
	}

	const runs, each = 100, 3
	client, layer := new(tls13.Records), tls13.NewLayer(1<<20)
	takenOver(t, client, true)
	var in [][]byte
	for range runs + 1 {
		var some []byte
		for range each {
			var err error
			if some, err = layer.Seal(some, client, push); err != nil {
				t.Fatal(err)
			}
		}
		in = append(in, some)
	}
	n := testing.AllocsPerRun(runs, func() {
		_ = s.input(l, down, in[0])
		in = in[1:]
	})
	if up.bytes != (runs+1)*each*len(push) {
		t.Errorf("%d bytes arrived", up.bytes)
	}
	if n > 2 {
		t.Errorf("%v allocations for %d records", n, each)
	}
}
