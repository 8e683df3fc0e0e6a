package shard

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"stentor/engine/session"
)

// ErrCursor is the answer to a cursor that no page gave.
var ErrCursor = errors.New("no page gave this cursor")

// SessionInfo describes one session to an operator.
type SessionInfo struct {
	ID            string
	User          string
	Address       string
	Since         time.Time
	Version       string
	Transport     string // websocket, websocket+deflate, sockjs-websocket, or one of SockJS over HTTP
	Subscriptions []SubscriptionInfo
	// More is how many subscriptions it has beside these.
	More int
	// Buffered is how many bytes wait in the server for the client to read.
	Buffered int
}

// SubscriptionInfo describes one subscription of a session.
type SubscriptionInfo struct {
	ID          string
	Destination string
	Ack         string
	// Behind is how many pushes the session has yet to be given.
	Behind int
	// Dropped is how many it lost to its project's slow-client policy.
	Dropped uint32
}

// SessionQuery selects sessions of one project. Zero fields select all.
type SessionQuery struct {
	Project     string
	User        string
	Destination string
	ID          string
	Network     netip.Prefix // of the clients' addresses
	// After is the cursor of the page before ("" for the first).
	After string
	// Limit is the most sessions that are returned.
	Limit int
}

// DestinationQuery selects subscribed destinations and patterns of one project.
type DestinationQuery struct {
	Project string
	Prefix  string // of the name
	After   string // the name after which the listing begins; "" for the first
	Limit   int    // the most that are returned; -1 for all
}

func (q *DestinationQuery) selects(name string) bool { return strings.HasPrefix(name, q.Prefix) }

// DestinationInfo counts the subscriptions of one destination or pattern on this node.
type DestinationInfo struct {
	Destination   string
	Pattern       bool
	Subscriptions int
	// Detached of them follow at their own pace.
	Detached int
}

// transport is how the client is connected. A socket of an HTTP transport knows it better than its form.
func (c *Conn) transport() string {
	if named, ok := c.socket.(interface{ Transport() string }); ok && c.sess.Form == session.SockJSHTTP {
		return named.Transport()
	}
	return c.sess.Form.Transport()
}
