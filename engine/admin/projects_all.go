package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"stentor/engine/directory"
)

// projectOfAll is a project with its counts on all nodes that answered.
type projectOfAll struct {
	Project
	Missing []Missing `json:"missing,omitempty"`
}

func projectPath(project string) string { return "/v1/projects/" + url.PathEscape(project) }

// projectEverywhere answers GET /v1/projects/{project} for all nodes.
func (a *api) projectEverywhere(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	p, ok := a.describe(project)
	if !ok {
		return unknownProject(project)
	}
	others := a.peers.others()
	f, no := a.fanOut(r, a.asking(len(others)))
	if no != nil {
		return no
	}
	defer f.end()
	one := []Project{p}
	missing := a.addOthers(r, f, others, one, projectPath(project), peersAtOnce)
	writeJSON(w, projectOfAll{one[0], missing})
	return nil
}

// addOthers adds to the counts of projects those of the others, which it asks at path, some at once, and names the
// nodes that did not answer. Its memory is bounded by the projects of a page and by how many answer at once.
func (a *api) addOthers(r *http.Request, f *fan, others []directory.Node, projects []Project, path string, atOnce int) (missing []Missing) {
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	index := make(map[string]int, len(projects))
	for i := range projects {
		index[projects[i].Project] = i
	}
	for some := range slices.Chunk(others, atOnce) {
		f.asks(len(some))
		replies := a.peers.askAll(ctx, some, http.MethodGet, path)
		merged := f.merge(r, func() {
			for i := range replies {
				// The problem of a node without an answer says no more than what it is missing for.
				without, _ := sortOut(replies[i:i+1], func(_ string, body []byte) error { return addCounts(projects, index, body) })
				missing = append(missing, without...)
			}
		})
		if !merged {
			for i := range replies {
				missing = append(missing, Missing{replies[i].node, notMerged})
			}
		}
	}
	return missing
}

// addCounts adds the counts of another node's answer, which is a page of projects or one project. index has their places.
func addCounts(projects []Project, index map[string]int, body []byte) error {
	var found struct {
		Projects []Project `json:"projects"`
		Project
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return err
	}
	for _, one := range append(found.Projects, found.Project) {
		if i, ok := index[one.Project]; ok {
			projects[i].Stats.add(one.Stats)
		}
	}
	return nil
}
