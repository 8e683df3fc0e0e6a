package tls13

import (
	"bytes"
	"fmt"
	"testing"
)

// frame is a WebSocket frame with a MESSAGE of usual length.
var frame = bytes.Repeat([]byte("x"), 300)

func benchSuites(b *testing.B, f func(b *testing.B, id uint16)) {
	for _, id := range allSuites {
		b.Run(fmt.Sprintf("%#x", id), func(b *testing.B) {
			Observe(nil) // the ledger costs more than what is measured
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			f(b, id)
		})
	}
}

// BenchmarkSealWarm has the AEAD, BenchmarkSealCold makes one for each frame.
func BenchmarkSealWarm(b *testing.B) {
	benchSuites(b, func(b *testing.B, id uint16) { benchSeal(b, newRig(b, id), NewLayer(CipherBytes)) })
}

func BenchmarkSealCold(b *testing.B) {
	benchSuites(b, func(b *testing.B, id uint16) { benchSeal(b, newRig(b, id), NewLayer(0)) })
}

func benchSeal(b *testing.B, r *rig, l *Layer) {
	scratch := make([]byte, 0, sealedLen(len(frame)))
	for b.Loop() {
		scratch, _ = l.Seal(scratch[:0], &r.server, frame)
	}
}

// BenchmarkSealMany has so many connections that neither their keys nor their AEADs are in the processor's cache.
func BenchmarkSealMany(b *testing.B) {
	const n = 20_000
	for name, places := range map[string]int{"warm": n, "half": n / 2, "cold": 0} {
		b.Run(name, func(b *testing.B) {
			Observe(nil)
			l := NewLayer(places * CipherBytes)
			all := make([]*Records, n)
			scratch := make([]byte, 0, sealedLen(len(frame)))
			for i := range all {
				all[i] = &newRig(b, AES128GCMSHA256).server
			}
			for range 2 {
				for _, r := range all {
					scratch, _ = l.Seal(scratch[:0], r, frame)
				}
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for i := 0; b.Loop(); i++ {
				scratch, _ = l.Seal(scratch[:0], all[i%n], frame)
			}
		})
	}
}

func BenchmarkCryptoTLSSeal(b *testing.B) {
	benchSuites(b, func(b *testing.B, id uint16) {
		withSuite(b, id)
		_, server, wire := twins(b)
		for i := 0; b.Loop(); i++ {
			if _, err := server.Write(frame); err != nil {
				b.Fatal(err)
			}
			if i%100 == 0 {
				wire.in.b = wire.in.b[:0]
			}
		}
	})
}

// BenchmarkOpen opens a frame; BenchmarkOpenTen ten that came at once. The records are always the same, so that the number
// is set back.
func BenchmarkOpen(b *testing.B)    { benchOpen(b, 1) }
func BenchmarkOpenTen(b *testing.B) { benchOpen(b, 10) }

func benchOpen(b *testing.B, n int) {
	benchSuites(b, func(b *testing.B, id uint16) {
		r := newRig(b, id)
		sealed := repeat(n, func() []byte { return r.data(string(frame)) })
		in := make([]byte, len(sealed))
		b.SetBytes(int64(n * len(frame)))
		for b.Loop() {
			copy(in, sealed)
			r.server.in.number = 0
			if _, used, err := r.layer.Open(&r.server, in); used != len(in) || err != nil {
				b.Fatal(used, err)
			}
		}
	})
}

func BenchmarkCryptoTLSOpen(b *testing.B) {
	benchSuites(b, func(b *testing.B, id uint16) {
		withSuite(b, id)
		r, server, wire := twins(b)
		sealed := make([][]byte, 4096)
		room := make([]byte, 2*len(frame))
		for i := 0; b.Loop(); i++ {
			if i%len(sealed) == 0 {
				b.StopTimer()
				for i := range sealed {
					sealed[i] = r.data(string(frame))
				}
				b.StartTimer()
			}
			_, _ = wire.Write(sealed[i%len(sealed)])
			if n, err := server.Read(room); n != len(frame) || err != nil {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkKeyUpdate is what the KeyUpdate of a client costs, with the frame behind it.
func BenchmarkKeyUpdate(b *testing.B) {
	benchSuites(b, func(b *testing.B, id uint16) {
		r := newRig(b, id)
		for b.Loop() {
			r.server.in.update(r.server.suite())
		}
	})
}
