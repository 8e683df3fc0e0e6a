package shard

import (
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// stall has the loop stand still, and then go on.
func (r *rig) stall(d time.Duration) {
	r.now += int64(d)
	r.s.Tick()
	r.run()
}

// Clients that were waited for while the loop stood still have as long again to be heard, 5 s at most, and are closed if they
// say nothing then either.
func TestStallIsNobodysFault(t *testing.T) {
	const pause = time.Minute
	for _, c := range []struct {
		name  string
		begin func(r *rig) *stubSocket
		speak func(r *rig, k *stubSocket)
	}{
		{"handshake", (*rig).open, func(r *rig, k *stubSocket) {
			r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
		}},
		{"CONNECT", func(r *rig) *stubSocket {
			k := r.open()
			r.upgrade(k)
			return k
		}, func(_ *rig, k *stubSocket) { k.send(stomp.Connect, "accept-version", "1.2", "user", "ann") }},
		{"heart-beat", func(r *rig) *stubSocket { return r.beating("ann") }, func(r *rig, k *stubSocket) {
			r.s.Input(k.conn, websocket.AppendMasked(nil, 1, [4]byte{}, []byte("\n")))
		}},
		{"socket", func(r *rig) *stubSocket {
			k := r.connect("ann")
			k.subscribe("/topic/a", "1")
			k.buffered = 1
			r.push("/topic/a", 10)
			r.run()
			return k
		}, func(_ *rig, k *stubSocket) { k.buffered = 0 }},
		{"ACK", func(r *rig) *stubSocket {
			k := r.connect("ann")
			k.subscribe("/topic/a", "1", "ack", "client")
			for range 3 {
				r.push("/topic/a", 10)
			}
			r.run()
			return k
		}, func(_ *rig, k *stubSocket) { k.send(stomp.Ack, "id", "1-0-1.1") }},
		{"large push", func(r *rig) *stubSocket {
			k := r.connect("ann")
			k.subscribe("/topic/a", "1")
			k.buffered = 1
			r.s.conf.Unsent = func(Socket) int { return k.buffered * unsentBytes }
			k.buffered = 0
			r.s.conf.Offer = func(Socket, []byte) (int, error) { return 0, nil }
			e := r.entry(bus.Record{Destination: "/topic/a"}, 100_000)
			e.Report = &history.Report{}
			r.hand(e)
			r.run()
			return k
		}, func(r *rig, _ *stubSocket) { r.s.conf.Offer = offerWhole }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, speaks := range []bool{true, false} {
				r := newRig(t, func(s *Settings) { s.AckWindow, s.SlowTimeout = 2, 10*time.Second })
				k := c.begin(r)
				r.stall(pause)
				for range graceTicks - 40 { // a transfer is tried each 32 ticks
					r.tick()
				}
				if k.conn.state != stateOpen || len(r.refusals) > 0 {
					t.Fatalf("closed for a stall: %+v", r.refusals)
				}
				if speaks {
					c.speak(r, k)
				}
				for range 100 {
					r.tick()
				}
				if gone := len(r.refusals) > 0; gone == speaks {
					t.Errorf("it speaks: %t, it is refused: %+v", speaks, r.refusals)
				}
			}
		})
	}
}

// A loop that is late each time judges all the same.
func TestStallsWithoutEnd(t *testing.T) {
	r := newRig(t)
	r.beating("ann")
	stranger := r.open()
	for range 40 {
		r.stall(3 * time.Second)
	}
	if r.s.stats.Connections.Load() != 0 {
		t.Errorf("%d connections are left, the stranger's state is %d", r.s.stats.Connections.Load(), stranger.conn.state)
	}
}
