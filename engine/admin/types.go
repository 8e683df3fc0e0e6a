package admin

import "time"

// SessionPage is the answer to GET /v1/projects/{project}/sessions.
type SessionPage struct {
	Sessions []Session `json:"sessions"`
	// Next is the cursor of the next page, "" on the last.
	Next string `json:"next,omitempty"`
	// Missing are nodes of which this has nothing.
	Missing []Missing `json:"missing,omitempty"`
}

// Session is one session as the API shows it. stream.session writes it piece by piece.
type Session struct {
	sessionHead
	Subscriptions []Subscription `json:"subscriptions"`
	More          int            `json:"more_subscriptions,omitempty"`
	Buffered      int            `json:"buffered"`
	// Node is where it is, in a listing of all nodes.
	Node string `json:"node,omitempty"`
}

// sessionHead is a session up to its subscriptions.
type sessionHead struct {
	ID      string    `json:"id"`
	User    string    `json:"user,omitempty"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
	// Transport is how the client is connected; empty from a node that does not say.
	Transport string `json:"transport,omitempty"`
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

// NodePage is the answer to GET /v1/nodes.
type NodePage struct {
	Nodes []NodeInfo `json:"nodes"`
	nodesEnd
}

// nodesEnd is what comes after the nodes.
type nodesEnd struct {
	// StaleMS is how long this node has not been able to read the list, 0 while it can.
	StaleMS int64 `json:"stale_ms"`
	// Self is the node that answers.
	Self string `json:"self"`
}

// NodeInfo is a node as its last beat describes it. Numbers that a node of an older version does not send are 0.
type NodeInfo struct {
	ID       string `json:"id"`
	Instance string `json:"instance"`
	// State is up, suspect (silent for longer than its lease) or left.
	State    string `json:"state"`
	Ready    bool   `json:"ready"`
	Draining bool   `json:"draining"`
	// Sealed says that the node has the cluster's key, Handed that clients are sent to it now.
	Sealed      bool     `json:"sealed"`
	Handed      bool     `json:"handed"`
	Self        bool     `json:"self"`
	URLs        []string `json:"urls"`
	API         string   `json:"api,omitempty"`
	Version     string   `json:"version,omitempty"`
	Capacity    int64    `json:"capacity"`
	Connections int64    `json:"connections"`
	Opening     int64    `json:"opening"`    // connections accepted in a second
	Deliveries  int64    `json:"deliveries"` // messages handed to clients in a second
	CPU         float64  `json:"cpu"`        // share of its processors, 0 to 1
	Memory      int64    `json:"memory"`     // bytes
	LateMS      int64    `json:"late_ms"`    // how late it reads pushes
	HeardMS     int64    `json:"heard_ms"`   // since its last beat; -1 when none has come since this node began
}

// statsOfAll are the counts of all nodes that answered.
type statsOfAll struct {
	Stats
	Missing []Missing `json:"missing,omitempty"`
}

// kickedOfAll is how many sessions were closed on all nodes that answered.
type kickedOfAll struct {
	kicked
	Missing []Missing `json:"missing,omitempty"`
}

// destinationsOfAll is a page of the subscribed destinations of all nodes that answered.
type destinationsOfAll struct {
	Destinations []destination `json:"destinations"`
	Next         string        `json:"next,omitempty"`
	// Total, with order=subscriptions, is how many there are at least.
	Total   *int      `json:"total,omitempty"`
	Missing []Missing `json:"missing,omitempty"`
}
