package main

import (
	"time"

	"stentor/cmd/stentor/config"
	"stentor/engine"
	"stentor/engine/admin"
	"stentor/engine/auth"
)

// apiNode is the node as the API sees it.
type apiNode struct {
	*engine.Node
	id   string
	pace engine.Drain
}

// Drain implements admin.Node.
func (n apiNode) Drain(on bool) {
	if on {
		n.Empty(n.pace)
	} else {
		n.Fill()
	}
}

// drainPace is how fast clients are sent away.
func drainPace(cfg *config.Config) engine.Drain {
	return engine.Drain{Chunk: cfg.Drain.Chunk, Interval: time.Duration(cfg.Drain.Interval)}
}

// Delivery implements admin.Node.
func (n apiNode) Delivery(project, id string) (admin.Delivery, bool) {
	d, ok := n.Node.Delivery(project, id)
	if !ok {
		return admin.Delivery{}, false
	}
	here := admin.NodeDelivery{Node: n.id, Matched: d.Matched, Written: d.Written, Dropped: d.Dropped, Failed: d.Failed}
	if !d.FirstWrite.IsZero() {
		here.FirstWrite, here.LastWrite = &d.FirstWrite, &d.LastWrite
	}
	return admin.Delivery{ID: id, Position: d.Position.String(), Nodes: []admin.NodeDelivery{here}}, true
}

// Stats implements admin.Node.
func (n apiNode) Stats(project string) admin.Stats {
	counts, pushes := n.Counts(project)
	return admin.Stats{Sessions: counts.Sessions, Subscriptions: counts.Subscriptions, Pushes: pushes, Deliveries: counts.Deliveries}
}

// apiProjects are the projects as the API sees them.
type apiProjects struct{ *auth.Projects }

// Describe implements admin.Projects.
func (p apiProjects) Describe(name string) (admin.Project, bool) {
	found := p.Get(name)
	if found == nil {
		return admin.Project{}, false
	}
	e := found.Examples()
	return admin.Project{Project: name, Destinations: found.Style().String(), Anonymous: found.Anonymous(), Patterns: found.Patterns(),
		Examples: admin.ProjectExamples{Subscribe: e.Subscribe, Send: e.Send}}, true
}
