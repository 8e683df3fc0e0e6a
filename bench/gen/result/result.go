package result

import (
	"time"

	"stentor/bench/gen/measure"
	"stentor/engine/testkit/proc"
)

// Format is the version of the JSON.
const Format = 1

// Result is the result of a run.
type Result struct {
	Format   int               `json:"format"`
	Scenario string            `json:"scenario"`
	Started  time.Time         `json:"started"`
	Seconds  float64           `json:"seconds"`
	Settings map[string]string `json:"settings"` // every flag that was set or has a default, without secrets
	// Generators are the processes that made the load.
	Generators []Generator `json:"generators"`
	// Before is the servers' metrics before the first connection, nil when there were none.
	Before     *Server  `json:"server_before,omitempty"`
	Phases     []Phase  `json:"phases"`
	Series     []Second `json:"series"`
	Verdict    Verdict  `json:"verdict"`
	Thresholds []Kept   `json:"thresholds,omitempty"`
	Notes      []string `json:"notes,omitempty"` // what a reader should know although it is no problem
}

// Generator is one process that made load.
type Generator struct {
	Host        string       `json:"host"`
	Machine     proc.Machine `json:"machine"`
	Connections int          `json:"connections"` // most that were open
	CPUSeconds  float64      `json:"cpu_seconds"`
	MostRSS     int64        `json:"most_rss_bytes"`
	BaseRSS     int64        `json:"base_rss_bytes,omitempty"` // before the first connection
}

// Phase is a named part of a run with its own totals. A delivery counts in the phase in which it came.
type Phase struct {
	Name    string  `json:"name"`
	Begin   float64 `json:"begin"` // since the run's start
	Seconds float64 `json:"seconds"`
	Totals
	// Latency is from when a message was due until it was read, Connecting from when a connection was due until it was
	// open, subscriptions included.
	Latency    Latency `json:"latency"`
	Connecting Latency `json:"connecting"`
}

// Totals are counts of a phase or of a second.
type Totals struct {
	Opened           int64            `json:"opened"`         // connections
	Dropped          int64            `json:"dropped"`        // connections, by the generator
	Left             int64            `json:"left,omitempty"` // connections that the server closed when it left
	Pushed           int64            `json:"pushed"`         // messages that the server took
	PushesRetried    int64            `json:"pushes_retried"`
	Delivered        int64            `json:"delivered"`
	HeartbeatsMissed int64            `json:"heartbeats_missed"`
	Resumed          int64            `json:"resumed"`     // subscriptions that carried on where they were
	NotResumed       int64            `json:"not_resumed"` // those that the server could not resume
	Failures         map[string]int64 `json:"failures"`    // connections and pushes that failed, by cause
	Order            measure.Order    `json:"order"`
}

// Second is what happened in one second, and what was at its end.
type Second struct {
	At        float64 `json:"at"`        // its end, since the run's start
	Connected int     `json:"connected"` // connections that read
	Slow      int     `json:"slow"`      // connections that read slowly or never
	Opening   int     `json:"opening"`   // connections that are on their way
	Totals
	Latency Latency `json:"latency"`
	Server  *Server `json:"server,omitempty"` // nil when its metrics cannot be read
}

// Server is the server's /metrics; several servers are added up.
type Server struct {
	Connections int64   `json:"connections"`
	RSS         int64   `json:"rss_bytes"`
	CPUSeconds  float64 `json:"cpu_seconds"` // used since the run began, not since the process did
}

// Verdict says whether the run was good.
type Verdict struct {
	Good     bool     `json:"good"`
	Problems []string `json:"problems"` // none when Good
}
