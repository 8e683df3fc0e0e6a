package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"stentor/bench/gen/result"
)

// Version is the protocol's version. Controller and agents must have the same.
const Version = 1

// Bounds of what is read.
const (
	maxOrder  = 8 << 20
	maxSay    = 64 << 10
	maxAnswer = 64 << 10
	maxEvents = 1 << 30 // the result of a long run has a histogram for each second
)

// Timeouts and intervals.
const (
	answerTimeout = 10 * time.Second // for an answer
	silence       = 15 * time.Second // until who says nothing is taken for gone
	aliveEvery    = 2 * time.Second
	endTimeout    = 30 * time.Second // for results after the run was stopped
	eventTimeout  = time.Minute      // to write an event
)

// hello describes an agent.
type hello struct {
	Version int       `json:"version"`
	Host    string    `json:"host"`
	Now     time.Time `json:"now"`
	Busy    bool      `json:"busy"`
}

// order starts a run.
type order struct {
	Version int             `json:"version"`
	Run     uint32          `json:"run"`
	Index   int             `json:"index"`
	Count   int             `json:"count"`
	Spec    json.RawMessage `json:"spec"`
}

// event is an agent's report. At most one of its parts is set; with none it says that the agent is alive.
type event struct {
	Point    *point    `json:"point,omitempty"` // where the run has come and waits for the others
	Progress *progress `json:"progress,omitempty"`
	Done     *done     `json:"done,omitempty"` // the last event
}

// point is the n-th point (from 1) at which generators wait for each other.
type point struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Value  int64  `json:"value"`
}

type progress struct {
	Phase  string        `json:"phase"`
	Totals result.Totals `json:"totals"`
	Last   result.Second `json:"last"`
}

// done has the result so far, and the error that ended the run, if any.
type done struct {
	Result *result.Result `json:"result,omitempty"`
	Error  string         `json:"error,omitempty"`
}

// say is a controller's message to a run. An empty one says that the controller is alive.
type say struct {
	Version int    `json:"version"`
	Run     uint32 `json:"run"`
	Go      *point `json:"go,omitempty"` // all have come to this point
	Stop    string `json:"stop,omitempty"`
}

// refusal is the body of every answer but 200.
type refusal struct {
	Error string `json:"error"`
}

func checkVersion(theirs int, who string) error {
	if theirs != Version {
		return fmt.Errorf("%s speaks version %d of the protocol, this side %d: use the same stentor-bench on all hosts", who, theirs, Version)
	}
	return nil
}

// leastToken is the shortest token that is accepted as a secret.
const leastToken = 16

// ReadToken reads the secret that controller and agents share.
func ReadToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < leastToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token: %s must hold one word of at least %d characters, as from: head -c 24 /dev/urandom | base64", path, leastToken)
	}
	return token, nil
}
