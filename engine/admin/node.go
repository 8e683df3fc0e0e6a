package admin

import (
	"context"
	"time"

	"stentor/engine/bus"
	"stentor/engine/shard"
)

// Node is what the API needs of its node. Methods are called from many goroutines. Besides the errors of package bus and of
// the context, any error is answered with 503.
type Node interface {
	// Publish is bus.Bus: for a record whose ID is still in the history it answers with the first one's position and
	// delivers nothing.
	Publish(r *bus.Record, done func(bus.Position, error))
	// Sessions calls emit with what is found, part by part, and returns the cursor to go on from, "" at the end. An error
	// of emit ends it and is returned. It returns shard.ErrCursor when the query's After is not one of its cursors.
	Sessions(ctx context.Context, q shard.SessionQuery, emit func([]shard.SessionInfo) error) (next string, err error)
	// Kick closes one session, tells its client the reason ("" for none), and reports whether the session existed.
	Kick(ctx context.Context, project, session, reason string) (bool, error)
	// KickUser closes the sessions of a user and returns their number, also with an error.
	KickUser(ctx context.Context, project, user, reason string) (int, error)
	// Destinations calls emit with the subscribed destinations, part by part in order of the names, and reports whether
	// more may follow. An error of emit ends it and is returned.
	Destinations(ctx context.Context, q shard.DestinationQuery, emit func([]shard.DestinationInfo) error) (more bool, err error)
	// Stats does not wait for anything.
	Stats(project string) Stats
	// Delivery returns what became of a push, while its report is kept.
	Delivery(project, id string) (Delivery, bool)
	// Drain makes the node send its clients away and accept no new ones, or accept clients again. It returns at once.
	Drain(on bool)
	// Shed closes up to count sessions that are older than a time, spread over a second, and returns how many. It ends
	// early with ctx. more is false when there are no more that could be closed.
	Shed(ctx context.Context, count int, older time.Duration) (closed int, more bool, err error)
	// Ready returns nil, or why this node accepts no new clients.
	Ready() error
	// Unserved returns why a ready node does not serve some of its projects, by their names.
	Unserved() map[string]error
}

// Stats are the gauges and counters of one project on this node.
type Stats struct {
	// Sessions and Subscriptions are the current ones.
	Sessions      int `json:"sessions"`
	Subscriptions int `json:"subscriptions"`
	// Pushes and Deliveries count since the node started: records taken from the bus, and messages handed to
	// sessions.
	Pushes     uint64 `json:"pushes"`
	Deliveries uint64 `json:"deliveries"`
}

// add adds the counts of another node.
func (s *Stats) add(other Stats) {
	s.Sessions += other.Sessions
	s.Subscriptions += other.Subscriptions
	s.Pushes = max(s.Pushes, other.Pushes) // every node reads every push
	s.Deliveries += other.Deliveries
}

// Projects is what the API must know of projects and keys. It may change at any time (a reload); methods are called from
// many goroutines and compare keys in constant time.
type Projects interface {
	Exists(project string) bool
	// APIKey says whether key is one of project's own.
	APIKey(project, key string) bool
	AdminKey(key string) bool
	// Owner returns the project that key belongs to, "" when it is the admin's. So a wrong key (401) can be told from the
	// key of another project (403), and a body can be charged before the project that it names is known.
	Owner(key string) (project string, ok bool)
	// Own says whether dest is within project's name space.
	Own(project, dest string) bool
	// Names are those of all projects, in their order.
	Names() []string
	// Describe returns how a project is configured, without its counts.
	Describe(project string) (Project, bool)
}
