package admin

import (
	"net/http"
	"slices"

	"stentor/engine/directory"
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

// projectPage is the answer to GET /v1/projects.
type projectPage struct {
	Projects []Project `json:"projects"`
	Next     string    `json:"next,omitempty"`
	Missing  []Missing `json:"missing,omitempty"`
}

// project answers GET /v1/projects/{project} for this node.
func (a *api) project(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	p, ok := a.describe(project)
	if !ok { // a reload has just removed it
		return unknownProject(project)
	}
	writeJSON(w, p)
	return nil
}

// projects answers GET /v1/projects: those that the key may touch. A project's key sees its own; another node sees all.
func (a *api) projects(w http.ResponseWriter, r *http.Request) *problem {
	owner := ""
	if signed(r) {
		if p := a.peer(r, ""); p != nil {
			return p
		}
	} else {
		if _, p := a.known(r); p != nil {
			return p
		}
		owner = a.owner(r)
	}
	q, p := query(r, "after", "limit", "node")
	if p != nil {
		return p
	}
	limit, p := limit(q, defaultProjects, maxProjects)
	if p != nil {
		return p
	}
	if q.Has("node") && q.Get("node") != "local" {
		return badNode(q.Get("node"))
	}
	var others []directory.Node
	if !signed(r) && !q.Has("node") {
		others = a.peers.others()
	}
	if len(others) == 0 {
		if p := a.memory.take(owner, listingBytes); p != nil {
			return p
		}
		defer a.memory.give(owner, listingBytes)
		writeJSON(w, a.pageOfProjects(owner, q.Get("after"), limit))
		return nil
	}
	f, p := a.fanOut(r, a.merging())
	if p != nil {
		return p
	}
	defer f.end()
	path, atOnce := target(r), peersAtOnce
	if owner != "" {
		path = projectPath(owner)
	} else if limit > defaultProjects {
		atOnce = listingsAtOnce
	}
	page := a.pageOfProjects(owner, q.Get("after"), limit)
	page.Missing = a.addOthers(r, f, others, page.Projects, path, atOnce)
	writeJSON(w, page)
	return nil
}

// pageOfProjects has owner's project, or all for the admin (""), with their counts on this node.
func (a *api) pageOfProjects(owner, after string, limit int) projectPage {
	names := []string{owner}
	if owner == "" {
		names = a.o.Projects.Names()
	}
	if after != "" {
		from, found := slices.BinarySearch(names, after)
		if found {
			from++
		}
		names = names[from:]
	}
	page := projectPage{Projects: []Project{}}
	if len(names) > limit {
		names = names[:limit]
		page.Next = names[limit-1]
	}
	for _, name := range names {
		if p, ok := a.describe(name); ok {
			page.Projects = append(page.Projects, p)
		}
	}
	return page
}
