package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"stentor/engine/shard"
)

const (
	defaultSessions     = 100
	maxSessions         = 1000
	defaultDestinations = 1000
	maxDestinations     = 10000
)

// sessions answers GET /v1/projects/{project}/sessions.
func (a *api) sessions(w http.ResponseWriter, r *http.Request, project string) *problem {
	q, p := query(r, "user", "destination", "id", "after", "limit")
	if p != nil {
		return p
	}
	limit, p := limit(q, defaultSessions, maxSessions)
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	page, err := a.o.Node.Sessions(ctx, shard.SessionQuery{Project: project, User: q.Get("user"), Destination: q.Get("destination"),
		ID: q.Get("id"), After: q.Get("after"), Limit: limit})
	if errors.Is(err, shard.ErrCursor) {
		return badField("after is %s, which no page gave: send the next of a page before, or leave it out for the first", quote(q.Get("after")))
	}
	if err != nil {
		return a.waitProblem(err, project)
	}
	if page.Sessions == nil {
		page.Sessions = []shard.SessionInfo{}
	}
	for i := range page.Sessions {
		if s := &page.Sessions[i]; s.Subscriptions == nil {
			s.Subscriptions = []shard.SubscriptionInfo{}
		}
	}
	writeJSON(w, page)
	return nil
}

// kicked says how many sessions were closed.
type kicked struct {
	Kicked int `json:"kicked"`
}

// kick answers DELETE /v1/projects/{project}/sessions/{id}.
func (a *api) kick(w http.ResponseWriter, r *http.Request, project string) *problem {
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	id := r.PathValue("id")
	found, err := a.o.Node.Kick(ctx, project, id)
	if err != nil {
		return a.waitProblem(err, project)
	}
	if !found {
		return newProblem(http.StatusNotFound, codeNotFound, "project %s has no session %s on this node: GET .../sessions lists them", quote(project), quote(id))
	}
	a.o.Log.Info("session kicked", "project", project, "session", id)
	writeJSON(w, kicked{1})
	return nil
}

// kickUser answers DELETE /v1/projects/{project}/users/{user}/sessions. A user without sessions is no error: what was
// asked for holds.
func (a *api) kickUser(w http.ResponseWriter, r *http.Request, project string) *problem {
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	user := r.PathValue("user")
	n, err := a.o.Node.KickUser(ctx, project, user)
	if err != nil {
		return a.waitProblem(err, project)
	}
	a.o.Log.Info("user kicked", "project", project, "user", user, "sessions", n)
	writeJSON(w, kicked{n})
	return nil
}

// destinationList is what /destinations answers: the most subscribed ones, and how many there are in all.
type destinationList struct {
	Destinations []shard.DestinationInfo `json:"destinations"`
	Total        int                     `json:"total"`
}

// destinations answers GET /v1/projects/{project}/destinations.
func (a *api) destinations(w http.ResponseWriter, r *http.Request, project string) *problem {
	q, p := query(r, "prefix", "limit")
	if p != nil {
		return p
	}
	limit, p := limit(q, defaultDestinations, maxDestinations)
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	all, err := a.o.Node.Destinations(ctx, project)
	if err != nil {
		return a.waitProblem(err, project)
	}
	if prefix := q.Get("prefix"); prefix != "" {
		all = slices.DeleteFunc(all, func(d shard.DestinationInfo) bool { return !strings.HasPrefix(d.Destination, prefix) })
	}
	slices.SortFunc(all, func(x, y shard.DestinationInfo) int {
		return cmp.Or(cmp.Compare(y.Subscriptions, x.Subscriptions), strings.Compare(x.Destination, y.Destination))
	})
	list := destinationList{Destinations: all[:min(limit, len(all))], Total: len(all)}
	if list.Destinations == nil {
		list.Destinations = []shard.DestinationInfo{}
	}
	writeJSON(w, list)
	return nil
}

// stats answers GET /v1/projects/{project}/stats.
func (a *api) stats(w http.ResponseWriter, r *http.Request, project string) *problem {
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	s, err := a.o.Node.Stats(ctx, project)
	if err != nil {
		return a.waitProblem(err, project)
	}
	writeJSON(w, s)
	return nil
}

// waitProblem is nodeProblem for a call that waited with a deadline.
func (a *api) waitProblem(err error, project string) *problem {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, codeTimeout, "the node did not answer in time: try again after Retry-After seconds")
	}
	return a.nodeProblem(err, project)
}

// query reads the parameters of the request's query. One that is not known, or there twice, is a mistake.
func query(r *http.Request, known ...string) (url.Values, *problem) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badField("the query is malformed (%s): escape its values", err)
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			hint := ""
			if s := suggest(name, known); s != "" {
				hint = "did you mean " + s + "? "
			}
			return nil, badField("unknown parameter %s: %sthe parameters are %s", quote(name), hint, strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return nil, badField("parameter %s is there twice: send it once", name)
		}
	}
	return q, nil
}

func limit(q url.Values, usual, most int) (int, *problem) {
	s := q.Get("limit")
	if s == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, badField("limit is %s: send a number from 1 to %d", quote(s), most)
	}
	return n, nil
}
