package tls13

import (
	"slices"
	"testing"
)

// many are connections that share a Layer with so many places.
func many(t testing.TB, n, places int) (*Layer, []*rig) {
	l := NewLayer(places * CipherBytes)
	all := make([]*rig, n)
	for i := range all {
		all[i] = newRig(t, AES128GCMSHA256)
		all[i].layer = l
	}
	return l, all
}

// round seals for each of them once, and returns the share of AEADs that were kept.
func round(l *Layer, all []*rig) float64 {
	before := l.Stats()
	for _, r := range all {
		r.gets(r.seal("some bytes"), "some bytes")
	}
	after := l.Stats()
	return float64(after.Hits-before.Hits) / float64(after.Hits-before.Hits+after.Misses-before.Misses)
}

func TestLayerKeepsWhatFits(t *testing.T) {
	l, all := many(t, 100, 100)
	round(l, all)
	if share := round(l, all); share != 1 {
		t.Errorf("%v of the AEADs are kept", share)
	}
	if s := l.Stats(); s.Kept != 100 {
		t.Errorf("%+v", s)
	}
	l, all = many(t, 3, 0)
	round(l, all)
	if s := l.Stats(); s.Kept != 0 || s.Hits != 0 || s.Misses != 3 {
		t.Errorf("%+v", s)
	}
}

// Rounds over twice as many connections as there are places find nearly half of the AEADs. Oldest-first would find none, and
// a random victim for each a fifth.
func TestLayerRoundsOverMore(t *testing.T) {
	l, all := many(t, 200, 100)
	var share float64
	for range 20 {
		share = round(l, all)
	}
	t.Logf("%.2f of the AEADs were kept", share)
	if share < 0.35 {
		t.Errorf("%.2f of the AEADs were kept", share)
	}
	if s := l.Stats(); s.Kept != 100 {
		t.Errorf("%+v", s)
	}
}

// Connections that are sent more than others keep their AEAD.
func TestLayerPrefersTheBusy(t *testing.T) {
	l, all := many(t, 300, 100)
	busy, rest := all[250:], all[:250]
	for i := range 1000 {
		round(l, busy[i%50:i%50+1])
		round(l, rest[i%250:i%250+1])
	}
	var share float64
	for i := range 20 {
		share += round(l, busy) / 20
		round(l, rest[i*10:i*10+10])
	}
	if share < 0.8 {
		t.Errorf("%.2f of the AEADs of busy connections were kept", share)
	}
}

func TestForget(t *testing.T) {
	l, all := many(t, 20, 10)
	round(l, all)
	for _, r := range all[:15] {
		l.Forget(&r.server)
		if r.server.in != (half{}) || r.server.out != (half{}) {
			t.Error("secrets are left")
		}
		if out, err := l.Seal(nil, &r.server, []byte("a")); err != ErrClosed || len(out) > 0 {
			t.Error(err)
		}
		if _, _, err := l.Open(&r.server, r.data("a")); err != ErrClosed {
			t.Error(err)
		}
		l.Forget(&r.server)
	}
	if s := l.Stats(); s.Kept > 5 {
		t.Errorf("%+v for 5 connections", s)
	}
	round(l, all[15:])
	if share := round(l, all[15:]); share != 1 {
		t.Errorf("%v of the AEADs are kept", share)
	}
	for _, p := range l.places {
		if (p.of == nil) != (p.aead == nil) || slices.ContainsFunc(all[:15], func(r *rig) bool { return p.of == &r.server }) {
			t.Error("the AEAD of a connection that is gone is kept")
		}
	}
}
