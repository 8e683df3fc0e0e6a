package admin

import (
	"net/http"
	"strings"
)

// bearer returns the key of the request's Authorization header (RFC 6750 section 2.1), or the problem to answer.
func bearer(r *http.Request) (string, *problem) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return "", newProblem(http.StatusUnauthorized, codeAuth,
			"send the header Authorization: Bearer KEY with an API key of the project or the admin key")
	}
	return key, nil
}

// known lets a request with any valid key pass, and charges it to the key's owner from now on. Which project it may touch
// is checked later.
func (a *api) known(r *http.Request) (string, *problem) {
	key, p := bearer(r)
	if p != nil {
		return "", p
	}
	owner, ok := a.o.Projects.Owner(key)
	if !ok {
		return "", newProblem(http.StatusUnauthorized, codeAuth, "this key is not valid here: send a key of the project's api_keys or the admin key")
	}
	if c := connOf(r.Context()); c != nil {
		if p := c.claim(owner); p != nil {
			return "", p
		}
	}
	if b, ok := r.Body.(*incoming); ok {
		b.owner = owner
	}
	return key, nil
}

// peer lets a request of another node pass, and charges it to the project that it is about, or to the admin ("").
func (a *api) peer(r *http.Request, project string) *problem {
	if err := a.signs.check(r, project, a.o.Now()); err != nil {
		return newProblem(http.StatusUnauthorized, codeAuth, "%s", err)
	}
	if project != "" && !a.o.Projects.Exists(project) {
		return unknownProject(project)
	}
	if c := connOf(r.Context()); c != nil {
		return c.claim(project)
	}
	return nil
}

// owner is the owner of the key of a request that known let pass, or the project that the request of another node is about.
func (a *api) owner(r *http.Request) string {
	if c := connOf(r.Context()); c != nil {
		return c.owner
	}
	if signed(r) {
		return r.PathValue("project")
	}
	key, _ := bearer(r)
	owner, _ := a.o.Projects.Owner(key)
	return owner
}

// allowed lets project's own keys and the admin's pass. Only the admin learns whether a project exists.
func (a *api) allowed(key, project string) *problem {
	switch {
	case a.o.Projects.APIKey(project, key):
		return nil
	case !a.o.Projects.AdminKey(key):
		return newProblem(http.StatusForbidden, codeForbidden, "this key is of another project: use a key of project %s, or an admin key", quote(project))
	case !a.o.Projects.Exists(project):
		return unknownProject(project)
	}
	return nil
}

// owned wraps the handler of a path below /v1/projects/{project}: it runs only for a key that may touch the project.
func (a *api) owned(h func(w http.ResponseWriter, r *http.Request, project string) *problem) handler {
	return func(w http.ResponseWriter, r *http.Request) *problem {
		project := r.PathValue("project")
		if signed(r) {
			if p := a.peer(r, project); p != nil {
				return p
			}
			return h(w, r, project)
		}
		key, p := a.known(r)
		if p != nil {
			return p
		}
		if p := a.allowed(key, project); p != nil {
			return p
		}
		return h(w, r, project)
	}
}
