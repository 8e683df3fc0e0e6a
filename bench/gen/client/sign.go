package client

import (
	"github.com/gobwas/ws"

	"stentor/stomp"
)

// connect sends CONNECT, or lets a worker make its headers first.
func (t *thread) connect(c *conn) {
	of := t.client.options.Headers
	switch {
	case of == nil:
		t.sendConnect(c, nil)
	case t.client.signJobs == nil:
		headers, err := of(t.number(c))
		if err != nil {
			t.fail(c, "CONNECT headers: "+err.Error())
			return
		}
		t.sendConnect(c, headers)
	default:
		c.state = signing
		number, p := t.number(c), c.place()
		select {
		case t.client.signJobs <- func() { t.sign(number, p) }:
		default: // as many as may be under way wait, and as many that were given up
			t.fail(c, "CONNECT headers: too many wait for theirs")
		}
	}
}

// sign runs on a worker.
func (t *thread) sign(number int, p place) {
	headers, err := t.client.options.Headers(number)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.nudge()
	c := t.at(p, signing)
	switch {
	case c == nil:
	case err != nil:
		t.fail(c, "CONNECT headers: "+err.Error())
	default:
		t.sendConnect(c, headers)
	}
}

func (t *thread) sendConnect(c *conn, headers []stomp.Header) {
	t.scratch = t.client.wire.appendConnect(t.scratch[:0], headers)
	if t.send(c, ws.OpText, t.scratch) {
		c.state = connecting
	}
}
