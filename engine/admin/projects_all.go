package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// projectOfAll is a project with its counts on all nodes that answered.
type projectOfAll struct {
	Project
	Missing []string `json:"missing,omitempty"`
}

func projectPath(project string) string { return "/v1/projects/" + url.PathEscape(project) }

// projectEverywhere answers GET /v1/projects/{project} for all nodes.
func (a *api) projectEverywhere(w http.ResponseWriter, r *http.Request, project string) *problem {
	p, ok := a.describe(project)
	if !ok {
		return unknownProject(project)
	}
	one := []Project{p}
	missing := a.addOthers(r.Context(), one, projectPath(project), peersAtOnce)
	writeJSON(w, projectOfAll{one[0], missing})
	return nil
}

// addOthers adds to the counts of projects those of the other nodes, which it asks at path, some at once, and names the
// nodes that did not answer. Its memory is bounded by the projects of a page and by how many answer at once.
func (a *api) addOthers(ctx context.Context, projects []Project, path string, atOnce int) (missing []string) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	index := make(map[string]int, len(projects))
	for i := range projects {
		index[projects[i].Project] = i
	}
	for some := range slices.Chunk(a.peers.others(), atOnce) {
		for _, re := range a.peers.askAll(ctx, some, http.MethodGet, path) {
			if re.err == nil && re.status == http.StatusNotFound {
				continue // it serves no such project
			}
			if re.err != nil || re.status != http.StatusOK || addCounts(projects, index, re.body) != nil {
				missing = append(missing, re.node)
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
