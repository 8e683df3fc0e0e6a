package shard

import (
	"fmt"
	"slices"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/refusal"
	"stentor/stomp"
)

// owing is a session whose subscriptions owe n ACKs each.
func owing(t *testing.T, subscriptions, n int, mode string) (*rig, *stubSocket) {
	r := newRig(t, func(s *Settings) { s.AckWindow = 65_535 })
	r.s.conf.Limits.FramesPerSecond = 100
	k := r.connect("ann")
	k.keep = true
	for i := range subscriptions {
		k.subscribe("/topic/a", fmt.Sprint(i), "ack", mode)
	}
	for i := k.conn.subs; i != 0; i = r.s.subs.at(i).next {
		for offset := range n {
			r.s.subs.at(i).owe(bus.Position{Epoch: 1, Offset: int64(offset)})
		}
	}
	return r, k
}

func (k *stubSocket) owed() []bus.Position { return k.r.s.subs.at(k.conn.subs).follow.unacked }

func id(offset int) string { return bus.Position{Epoch: 1, Offset: int64(offset)}.String() }

// TestAckInAnyOrder frees room wherever the client begins.
func TestAckInAnyOrder(t *testing.T) {
	for _, n := range []int{5, 500} {
		for _, mode := range []string{"client", "client-individual"} {
			r, k := owing(t, 1, n, mode)
			want := slices.Clone(k.owed())
			for _, offset := range []int{0, 1, n / 2, n - 1, n - 2, 3, n / 2, 2 * n} {
				k.send(stomp.Ack, "id", id(offset)+".0")
				at := slices.IndexFunc(want, func(p bus.Position) bool { return p.Offset == int64(offset) })
				switch {
				case at < 0:
				case mode == "client":
					want = want[at+1:]
				default:
					want = slices.Delete(want, at, at+1)
				}
				if !slices.Equal(k.owed(), want) {
					t.Fatalf("%s: %d are owed after ACK of %d, want %d", mode, len(k.owed()), offset, len(want))
				}
			}
			audit(t, r)
		}
	}
}

// TestAckIsCharged: an ACK that scans many positions counts as several frames, one in order does not.
func TestAckIsCharged(t *testing.T) {
	for _, mode := range []string{"client", "client-individual"} {
		_, k := owing(t, 1, 50_000, mode)
		before := k.conn.frames
		for offset := range 50 {
			k.send(stomp.Ack, "id", id(offset)+".0")
		}
		if charged := k.conn.frames - before; charged != 50 {
			t.Errorf("%s: 50 ACKs in order count as %d frames", mode, charged)
		}
	}
	r, k := owing(t, 20, 10_000, "client-individual")
	acks := 0
	for ; k.open() && acks < 50; acks++ {
		k.send(stomp.Ack, "id", id(1<<20))
	}
	if k.open() || acks > 2 || r.met(refusal.FrameRate) != 1 {
		t.Errorf("%d ACKs looked at 200,000 positions each", acks)
	}

	// In a transaction too; then nothing of it goes out.
	r, k = owing(t, 20, 10_000, "client-individual")
	k.transaction(1, "/topic/a")
	for range 50 {
		k.send(stomp.Ack, "id", id(1<<20), "transaction", "t")
	}
	k.send(stomp.Commit, "transaction", "t", "receipt", "all")
	if k.open() || len(r.published) > 0 || k.conn.frames > 600 || k.count("RECEIPT") > 0 {
		t.Errorf("the session stands: %t, %d were published, %d frames are counted", k.open(), len(r.published), k.conn.frames)
	}
}
