package admin

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/certs"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// plainAnswer tells who sends HTTP to a port of TLS.
var plainAnswer = websocket.TLSMissing.AppendTo(nil)

// below is a connection under TLS. It notes whether its client has sent anything: one that has not is a probe, not a failure.
type below struct {
	net.Conn
	heard bool // guarded by the lock under which crypto/tls reads
}

// Read implements net.Conn.
func (b *below) Read(p []byte) (n int, err error) {
	if n, err = b.Conn.Read(p); n > 0 && !b.heard {
		b.heard = true
	}
	return n, err
}

// unshaken reports whether err, of a Read, ended the handshake of TLS, and counts and logs it then. net/http would do so only for
// connections that are nothing but a tls.Conn, as a line of its own, and answer plain HTTP. err goes no further: net/http would
// write an answer into what is no TLS.
func (c *conn) unshaken(err error) bool {
	t, ok := c.Conn.(*tls.Conn)
	if !ok || t.ConnectionState().HandshakeComplete {
		return false
	}
	if c.failed.Swap(true) {
		return true
	}
	why, reason := certs.FailureOf(err), refusal.TLSHandshake
	switch why {
	case certs.Ended:
		return true // we closed it, and refuse has counted that
	case certs.Closed:
		if !t.NetConn().(*below).heard {
			return true
		}
	case certs.PlainHTTP:
		reason = refusal.TLSMissing
		c.answerPlain()
	}
	c.home.failures.Add(why)
	if c.home.refusals != nil {
		c.home.refusals.Refuse(refusal.Record{Reason: reason, Address: peer(c.RemoteAddr().String()), Text: "the API's port: " + why.Text()})
	}
	return true
}

// answerPlain answers plain HTTP so that a person can read it.
func (c *conn) answerPlain() {
	c.home.mu.Lock()
	c.plain, c.unread = true, true
	c.home.mu.Unlock()
	_ = c.raw.SetWriteDeadline(time.Now().Add(lingerTime))
	_, _ = c.raw.Write(plainAnswer) // fits the empty buffer of a new socket
}

// handshakes is the metric of certs.Failures.
type handshakes struct {
	*certs.Failures
	desc *prometheus.Desc
}

func newHandshakes(f *certs.Failures) handshakes {
	return handshakes{f, prometheus.NewDesc("stentor_api_tls_failures_total",
		"Connections to the port of the HTTP API with TLS that did not get to their request, by reason. Connections that their client closed without a byte do not count.", []string{"reason"}, nil)}
}

// Describe implements prometheus.Collector.
func (h handshakes) Describe(ch chan<- *prometheus.Desc) { ch <- h.desc }

// Collect implements prometheus.Collector.
func (h handshakes) Collect(ch chan<- prometheus.Metric) {
	h.Each(func(why certs.Failure, count uint64) {
		ch <- prometheus.MustNewConstMetric(h.desc, prometheus.CounterValue, float64(count), why.String())
	})
}
