package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// random is any bytes, different at each place.
func random(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	return string(b)
}

// long is a text like that.
func long(size int) string {
	b := []byte(random(size))
	for i := range b {
		b[i] &= 0x7F
	}
	return string(b)
}

// TestLargeMessages is section 9.1 and 9.2: up to the limit.
func TestLargeMessages(t *testing.T) {
	address := server(t)
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, maxMessage} {
		s := long(size)
		c := dial(t, address)
		c.send(message(s), frame(fin|opBinary, s[size/2:]))
		c.expect(text(s), blob(s[size/2:]))
		c.bye()
	}
}

// TestManyFragments is 9.3 and 9.4: 4 MiB in fragments of one size.
func TestManyFragments(t *testing.T) {
	address := server(t)
	s, b := long(4<<20), random(4<<20)
	for _, size := range []int{64, 1 << 10, 16 << 10, 256 << 10, 4 << 20} {
		c := dial(t, address)
		for op, payload := range map[byte]string{opText: s, opBinary: b} {
			var all bytes.Buffer
			for i, f := range fragments(op, pieces(payload, size)...) {
				all.Write(f)
				if i == 7 {
					all.Write(ping("between"))
				}
			}
			c.send(all.Bytes())
			if len(payload) > 7*size {
				c.expect("pong between")
			}
			want := text(payload)
			if op == opBinary {
				want = blob(payload)
			}
			c.expect(want)
		}
		c.bye()
	}
}

// TestManyWrites is 9.5 and 9.6: 1 MiB in writes of one size.
func TestManyWrites(t *testing.T) {
	address := server(t)
	s := long(1 << 20)
	whole := message(s)
	for _, size := range []int{64, 128, 256, 512, 1024, 2048} {
		c := dial(t, address)
		c.send(chop(whole, size)...)
		c.expect(text(s))
		c.bye()
	}
}

// TestManyMessages is 9.7 and 9.8: 1,000 messages, each sent when the one before it has come back.
func TestManyMessages(t *testing.T) {
	address := server(t)
	for _, size := range []int{0, 16, 64, 256, 1 << 10, 4 << 10} {
		s, b := long(size), random(size)
		c := dial(t, address)
		for i := range 1000 {
			if i%2 == 0 {
				c.send(message(s))
				c.expect(text(s))
			} else {
				c.send(frame(fin|opBinary, b))
				c.expect(blob(b))
			}
		}
		c.bye()
	}
}

// TestAutoFragments is section 10: 64 KiB in fragments of 1,300 bytes, each with a write of its own.
func TestAutoFragments(t *testing.T) {
	s := long(65536)
	converse(t, []conversation{{"1300", fragments(opText, pieces(s, 1300)...), []string{text(s)}}})
}

// TestPipeline sends many messages of all sizes before it reads any.
func TestPipeline(t *testing.T) {
	c := dial(t, server(t))
	r := rand.New(rand.NewPCG(7, 7))
	var all bytes.Buffer
	var want []string
	for i := range 2000 {
		s := strings.Repeat(string(rune('a'+i%26)), r.IntN(1+r.IntN(4000)))
		switch r.IntN(4) {
		case 0:
			all.Write(frame(fin|opBinary, s))
			want = append(want, blob(s))
		case 1:
			all.Write(bytes.Join(fragments(opText, pieces(s, 1+len(s)/3)...), ping(fmt.Sprint(i))))
			for range len(pieces(s, 1+len(s)/3)) - 1 {
				want = append(want, fmt.Sprint("pong ", i))
			}
			want = append(want, text(s))
		default:
			all.Write(message(s))
			want = append(want, text(s))
		}
	}
	for rest := all.Bytes(); len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(100<<10))
		c.send(rest[:n])
		rest = rest[n:]
	}
	c.expect(want...)
	c.bye()
}
