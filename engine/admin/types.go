package admin

import (
	"time"

	"stentor/engine/shard"
)

// SessionPage is the answer to GET /v1/projects/{project}/sessions.
type SessionPage struct {
	Sessions []Session `json:"sessions"`
	// Next is the cursor of the next page, "" on the last.
	Next string `json:"next,omitempty"`
}

// Session is one session as the API shows it: shard.SessionInfo. stream.session writes it piece by piece.
type Session struct {
	ID            string         `json:"id"`
	User          string         `json:"user,omitempty"`
	Address       string         `json:"address"`
	Since         time.Time      `json:"since"`
	Version       string         `json:"version"`
	Subscriptions []Subscription `json:"subscriptions"`
	More          int            `json:"more_subscriptions,omitempty"`
	Buffered      int            `json:"buffered"`
}

// Subscription is one of a session's.
type Subscription struct {
	ID          string `json:"id"`
	Destination string `json:"destination"`
	Ack         string `json:"ack"`
	Behind      int    `json:"behind"`
	Dropped     uint32 `json:"dropped,omitempty"`
}

// destination is one destination or pattern in a listing.
type destination struct {
	Destination   string `json:"destination"`
	Pattern       bool   `json:"pattern,omitempty"`
	Subscriptions int    `json:"subscriptions"`
	Detached      int    `json:"detached"`
}

// The API shows all that the shards tell: a field that is added there is missing here until this fails to compile.
var (
	_ = Subscription(shard.SubscriptionInfo{})
	_ = destination(shard.DestinationInfo{})
)
