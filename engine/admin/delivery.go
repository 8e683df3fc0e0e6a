package admin

import (
	"net/http"
	"time"
)

// Delivery is what became of one push. Written means handed to the kernel, not read by the client. A subscription that is
// neither written nor dropped nor failed still waits, or its client left.
type Delivery struct {
	ID       string `json:"id"`
	Position string `json:"position"`
	// Nodes are those that answered.
	Nodes []NodeDelivery `json:"nodes"`
	// Missing are nodes of which this has nothing.
	Missing []Missing `json:"missing,omitempty"`
}

// NodeDelivery counts subscriptions of one node.
type NodeDelivery struct {
	Node    string `json:"node"`
	Matched int64  `json:"matched"`
	Written int64  `json:"written"`
	Dropped int64  `json:"dropped"` // by the policy for slow clients
	Failed  int64  `json:"failed"`  // the connection broke in the write
	// FirstWrite and LastWrite are nil before the first.
	FirstWrite *time.Time `json:"first_write,omitempty"`
	LastWrite  *time.Time `json:"last_write,omitempty"`
}

// delivery answers GET /v1/projects/{project}/pushes/{id}.
func (a *api) delivery(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	id := r.PathValue("id")
	d, ok := a.o.Node.Delivery(project, id)
	if !ok {
		return newProblem(http.StatusNotFound, codeNotFound,
			"there is no report of a push %s in project %s: this node keeps those of the latest pushes", quote(id), quote(project))
	}
	writeJSON(w, d)
	return nil
}
