package tls13

import (
	"bytes"
	"testing"
)

// With its AEAD at hand a connection costs no garbage.
func TestSealAllocates(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		payload := bytes.Repeat([]byte("x"), 304)
		scratch := make([]byte, 0, sealedLen(len(payload)))
		if n := testing.AllocsPerRun(1000, func() { scratch, _ = r.layer.Seal(scratch[:0], &r.server, payload) }); n != 0 {
			t.Errorf("%v allocations for a record", n)
		}
		long := bytes.Repeat(payload, 200)
		scratch = make([]byte, 0, sealedLen(len(long)))
		if n := testing.AllocsPerRun(100, func() { scratch, _ = r.layer.Seal(scratch[:0], &r.server, long) }); n != 0 {
			t.Errorf("%v allocations for four records", n)
		}
	})
}

// Opening makes an AEAD for all that has arrived, and nothing else. A half record makes none.
func TestOpenAllocates(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		const runs, each = 100, 10
		all := repeat((runs+1)*each, func() []byte { return r.data("some bytes") })
		size := len(all) / (runs + 1)
		n := testing.AllocsPerRun(runs, func() {
			if _, used, err := r.layer.Open(&r.server, all[:size]); used != size || err != nil {
				t.Fatal(used, err)
			}
			all = all[size:]
		})
		if n > 2 {
			t.Errorf("%v allocations for %d records", n, each)
		}
		half := r.data("some bytes")[:20]
		if n := testing.AllocsPerRun(100, func() { _, _, _ = r.layer.Open(&r.server, half) }); n != 0 {
			t.Errorf("%v allocations for half a record", n)
		}
	})
}
