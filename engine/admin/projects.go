package admin

import (
	"net/http"
	"slices"
)

const (
	defaultProjects = 100
	maxProjects     = 1000
)

// Project is one project as the API shows it: what clients may do, and what they do on this node.
type Project struct {
	Project string `json:"project"`
	// Destinations is prefixed or plain.
	Destinations string          `json:"destinations"`
	Anonymous    bool            `json:"anonymous"`
	Patterns     bool            `json:"patterns"`
	Examples     ProjectExamples `json:"examples"`
	Stats
}

// ProjectExamples are destinations that the project's rules allow.
type ProjectExamples struct {
	Subscribe []string `json:"subscribe"`
	Send      string   `json:"send,omitempty"`
}

// describe is the project with its counts.
func (a *api) describe(project string) (Project, bool) {
	p, ok := a.o.Projects.Describe(project)
	if p.Examples.Subscribe == nil {
		p.Examples.Subscribe = []string{} // not null
	}
	p.Stats = a.o.Node.Stats(project)
	return p, ok
}

// project answers GET /v1/projects/{project}.
func (a *api) project(w http.ResponseWriter, _ *http.Request, project string) *problem {
	p, ok := a.describe(project)
	if !ok { // a reload has just removed it
		return unknownProject(project)
	}
	writeJSON(w, p)
	return nil
}

// projects answers GET /v1/projects: those that the key may touch. A project's key sees its own.
func (a *api) projects(w http.ResponseWriter, r *http.Request) *problem {
	if _, p := a.known(r); p != nil {
		return p
	}
	q, p := query(r, "after", "limit")
	if p != nil {
		return p
	}
	limit, p := limit(q, defaultProjects, maxProjects)
	if p != nil {
		return p
	}
	owner := a.owner(r)
	names := []string{owner}
	if owner == "" {
		names = a.o.Projects.Names()
	}
	if p := a.memory.take(owner, listingBytes); p != nil {
		return p
	}
	defer a.memory.give(owner, listingBytes)
	out := newStream(w, `{"projects":[`)
	if after := q.Get("after"); after != "" {
		from, found := slices.BinarySearch(names, after)
		if found {
			from++
		}
		names = names[from:]
	}
	next := ""
	if len(names) > limit {
		names = names[:limit]
		next = names[limit-1]
	}
	for _, name := range names {
		if p, ok := a.describe(name); ok {
			out.item()
			out.value(&p)
		}
	}
	out.next(next)
	return nil
}
