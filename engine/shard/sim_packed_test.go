package shard

import (
	"sync"

	"github.com/gobwas/ws"

	"stentor/engine/deflate"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// simPackers are for all worlds: each is 800 KB.
var simPackers = sync.Pool{New: func() any { return new(deflate.Packer) }}

func packedInSim(parts ...[]byte) []byte {
	p := simPackers.Get().(*deflate.Packer)
	defer simPackers.Put(p)
	return p.Pack(nil, parts...)
}

// packedBySim is the compressed form of a push, which two of three to topics have, worth it or not.
func packedBySim(x *push) []byte {
	if r := x.record; r.User != "" || r.Session != "" || x.pos.Offset%3 == 0 {
		return nil
	}
	return packedInSim(x.record.Body, []byte{0})
}

// answered reads the answer to the handshake.
func (l *simLink) answered() (n int, err error) {
	if !l.c.packs {
		n, _, err = websocket.ParseAnswer(l.in, l.key)
		return n, err
	}
	n, packed, err := websocket.ParsePackedAnswer(l.in, l.key)
	if n > 0 && !packed {
		l.w.failf("%v: compression was not agreed on", l.sock)
	}
	l.reader.Unpack()
	return n, err
}

func (l *simLink) inflate(payload []byte) []byte {
	content, err := new(deflate.Inflater).Inflate(nil, payload, 1<<24)
	if err != nil {
		l.w.failf("%v: %v", l.sock, err)
	}
	return content
}

// pack sends STOMP bytes compressed, in one frame or two with a ping between.
func (l *simLink) pack(stomp []byte) {
	payload := packedInSim(stomp)
	if l.w.chance(4) {
		payload = append(deflate.AppendStored(nil, len(stomp)), stomp...)
		payload = append(payload, 0)
	}
	for range (len(payload) + len(stomp) + session.BlockCost) / inflatedFrame {
		l.paced = append(l.paced, l.w.now)
	}
	if l.frames() >= 2*l.w.profile.allowed().shard.FramesPerSecond {
		l.risk("too many frames a second")
	}
	cut := len(payload)
	if l.w.chance(4) {
		cut = l.w.rng.IntN(len(payload))
	}
	first := len(l.out)
	l.raw(ws.OpBinary, payload[:cut])
	l.out[first] |= 0x40
	if cut < len(payload) {
		l.out[first] &^= 0x80
		if l.w.chance(2) {
			l.pace(0)
			l.raw(ws.OpPing, nil)
		}
		l.raw(ws.OpContinuation, payload[cut:])
	}
}
