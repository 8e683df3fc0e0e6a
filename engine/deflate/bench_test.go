package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"
)

func BenchmarkPack(b *testing.B) {
	for _, n := range []int{512, 2048, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var p Packer
			body, out := contents()["text"][:n], make([]byte, 0, 2*n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				out = p.Pack(out[:0], body)
			}
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, n := range []int{512, 2048, 64 << 10} {
		body := contents()["text"][:n]
		payload := compressed(6, body)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var f Inflater
			out := make([]byte, 0, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				out, _ = f.Inflate(out[:0], payload, n)
			}
		})
		b.Run(fmt.Sprint(n, "/compress-flate"), func(b *testing.B) {
			full := append(payload[:len(payload):len(payload)], "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)
			in := bytes.NewReader(full)
			r := flate.NewReader(in)
			b.SetBytes(int64(n))
			for b.Loop() {
				in.Reset(full)
				_ = r.(flate.Resetter).Reset(in, nil)
				_, _ = io.Copy(io.Discard, r)
			}
		})
	}
}

// The most that a message of 130 KiB can cost: as many hollow blocks as are allowed, and the longest content.
func BenchmarkWorst(b *testing.B) {
	var f Inflater
	blocks := hollow(freeBlocks + 130<<10/blockBytes)
	payload := append(blocks, make([]byte, 130<<10-len(blocks))...)
	out := make([]byte, 0, 256<<10)
	for b.Loop() {
		out, _ = f.Inflate(out[:0], payload, 256<<10)
	}
}
