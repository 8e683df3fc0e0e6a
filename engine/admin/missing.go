package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stentor/engine/directory"
)

// Missing is a node of which an answer has nothing.
type Missing struct {
	Node string `json:"node"`
	// Why is for an operator. It has no addresses of the operator's network: keys of projects are shown it as well.
	Why string `json:"why"`
}

// sortOut decodes the answers that arrived, each with use, and names the nodes without one. A node that does not have what
// is asked for is not among these. It returns the problem to answer with when no node has answered.
func sortOut(all []reply, use func(node string, body []byte) error) (missing []Missing, p *problem) {
	answered := false
	for i := range all {
		re := &all[i]
		why := re.why
		switch {
		case why != "":
		case re.status == http.StatusOK:
			if use(re.node, re.body) == nil {
				answered = true
				continue
			}
			why = notOfNode
		case re.status == http.StatusNotFound:
			answered = true
			continue
		default:
			not := passOn(re)
			if re.status == http.StatusBadRequest {
				return nil, not
			}
			if p == nil {
				p = not
			}
			why = fmt.Sprintf("it answered %d: %s", re.status, not.Detail)
		}
		missing = append(missing, Missing{re.node, why})
	}
	switch {
	case answered:
		return missing, nil
	case p == nil:
		p = newProblem(http.StatusServiceUnavailable, codeTimeout, "no node answered in time: try again after Retry-After seconds")
	}
	return missing, p
}

// What is said of nodes without an answer.
const (
	notOfNode    = "its answer is not one of a node"
	notAskable   = "it does not say how to ask it: set advertise.api and cluster.key there"
	notReachable = "it cannot be reached"
	noTimeLeft   = "the others took so long that it was not asked"
	notMerged    = "its answer was not merged in time"
)

// silent says that a node did not answer within a time.
func silent(n *directory.Node, most time.Duration) string {
	return fmt.Sprintf("no answer within %s%s", most, suspicion(n))
}

// suspicion is the end of a sentence about a node, for which it may be the reason.
func suspicion(n *directory.Node) string {
	if n.State != directory.Suspect {
		return ""
	}
	if n.Heard < 0 {
		return ", and it has not been heard of (suspect)"
	}
	return fmt.Sprintf(", and it has not been heard of for %s (suspect)", n.Heard.Round(time.Second))
}

// passOn returns the problem that a node answered with.
func passOn(re *reply) *problem {
	p := new(problem)
	if json.Unmarshal(re.body, p) != nil || p.Status < 400 {
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, "node %s answered %d, which is not from a node: try again after Retry-After seconds", re.node, re.status)
	}
	return p
}

// unanswered is the end of a sentence about the nodes that are missing.
func unanswered(missing []Missing) string {
	if len(missing) == 0 {
		return ""
	}
	var all []string
	for _, m := range missing {
		all = append(all, m.Node)
	}
	return " (no answer came from " + strings.Join(all, ", ") + ")"
}
