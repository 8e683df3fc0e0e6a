package admin

import "time"

// SessionPage is the answer to GET /v1/projects/{project}/sessions.
type SessionPage struct {
	Sessions []Session `json:"sessions"`
	// Next is the cursor of the next page, "" on the last.
	Next string `json:"next,omitempty"`
}

// Session is one session as the API shows it. stream.session writes it piece by piece.
type Session struct {
	sessionHead
	Subscriptions []Subscription `json:"subscriptions"`
	More          int            `json:"more_subscriptions,omitempty"`
	Buffered      int            `json:"buffered"`
}

// sessionHead is a session up to its subscriptions.
type sessionHead struct {
	ID      string    `json:"id"`
	User    string    `json:"user,omitempty"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
}

// Subscription is one of a session's. Its fields are those of shard.SubscriptionInfo, which is converted to it.
type Subscription struct {
	ID          string `json:"id"`
	Destination string `json:"destination"`
	Ack         string `json:"ack"`
	Behind      int    `json:"behind"`
	Dropped     uint32 `json:"dropped,omitempty"`
}

// destination is one destination or pattern in a listing. Its fields are those of shard.DestinationInfo, which is converted
// to it.
type destination struct {
	Destination   string `json:"destination"`
	Pattern       bool   `json:"pattern,omitempty"`
	Subscriptions int    `json:"subscriptions"`
	Detached      int    `json:"detached"`
}
