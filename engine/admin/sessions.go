package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"stentor/engine/shard"
)

const (
	defaultSessions     = 100
	maxSessions         = 1000
	defaultDestinations = 1000
	maxDestinations     = 10000
	maxLeaders          = 1000
)

// sessions answers GET /v1/projects/{project}/sessions.
func (a *api) sessions(w http.ResponseWriter, r *http.Request, project string) *problem {
	q, p := query(r, "user", "destination", "id", "address", "after", "limit")
	if p != nil {
		return p
	}
	network, p := network(q.Get("address"))
	if p != nil {
		return p
	}
	if p := begins(q, "destination"); p != nil {
		return p
	}
	limit, p := limit(q, defaultSessions, maxSessions)
	if p != nil {
		return p
	}
	out := newStream(w, `{"sessions":[`)
	out.most = pageSize(r)
	next, err := a.o.Node.Sessions(r.Context(), shard.SessionQuery{Project: project, User: q.Get("user"), Destination: q.Get("destination"),
		ID: q.Get("id"), Network: network, After: q.Get("after"), Limit: limit}, func(some []shard.SessionInfo) error {
		for i := range some {
			out.session(&some[i])
		}
		return out.full()
	})
	if errors.Is(err, shard.ErrCursor) {
		return badField("after is %s, which is not from a page: send the next of the previous page, or leave it out for the first", quote(q.Get("after")))
	}
	if p := a.broken(out, err, project); p != nil {
		return p
	}
	out.next(next)
	return nil
}

// session adds the JSON of i, subscription by subscription: it may be long.
func (s *stream) session(i *shard.SessionInfo) {
	s.item()
	head := encode(sessionHead{i.ID, i.User, i.Address, i.Since, i.Version, i.Transport})
	s.chunk = append(append(s.chunk, head[:len(head)-2]...), `,"subscriptions":[`...)
	for n := range i.Subscriptions {
		if n > 0 {
			s.text(",")
		}
		one := Subscription(i.Subscriptions[n])
		s.value(&one)
	}
	s.text("]")
	if i.More > 0 {
		s.text(`,"more_subscriptions":` + strconv.Itoa(i.More))
	}
	s.text(`,"buffered":` + strconv.Itoa(i.Buffered) + "}")
}

// network is what a query's address selects: one address, or a network such as 203.0.113.0/24.
func network(s string) (netip.Prefix, *problem) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	if one, err := netip.ParseAddr(s); err == nil {
		one = one.Unmap().WithZone("")
		return netip.PrefixFrom(one, one.BitLen()), nil
	}
	many, err := netip.ParsePrefix(s)
	if err != nil {
		return many, badField("address is %s: send an IP address, or a network such as 203.0.113.0/24", quote(s))
	}
	return many, nil
}

// reason is why an operator closes sessions, in words for their clients.
func reason(r *http.Request) (string, *problem) {
	q, p := bare(r, "reason")
	if p != nil {
		return "", p
	}
	text := q.Get("reason")
	switch {
	case len(text) > shard.MaxKickReason:
		return "", badField("reason has %d bytes, at most %d are allowed: shorten it", len(text), shard.MaxKickReason)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "", badField("reason has control characters or is not UTF-8: send one line of UTF-8")
	}
	return text, nil
}

// kicked says how many sessions were closed.
type kicked struct {
	Kicked int `json:"kicked"`
}

// kick answers DELETE /v1/projects/{project}/sessions/{id}.
func (a *api) kick(w http.ResponseWriter, r *http.Request, project string) *problem {
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	reason, p := reason(r)
	if p != nil {
		return p
	}
	id := r.PathValue("id")
	found, err := a.o.Node.Kick(ctx, project, id, reason)
	if err != nil {
		return a.waitProblem(err, project)
	}
	if !found {
		return newProblem(http.StatusNotFound, codeNotFound, "project %s has no session %s on this node: GET .../sessions lists them", quote(project), quote(id))
	}
	a.o.Log.Info("session kicked", "project", project, "session", id, "reason", reason)
	writeJSON(w, kicked{1})
	return nil
}

// kickUser answers DELETE /v1/projects/{project}/users/{user}/sessions. A user without sessions is no error: the request is
// already fulfilled.
func (a *api) kickUser(w http.ResponseWriter, r *http.Request, project string) *problem {
	reason, p := reason(r)
	if p != nil {
		return p
	}
	user := r.PathValue("user")
	n, err := a.o.Node.KickUser(r.Context(), project, user, reason)
	if err != nil {
		p := a.waitProblem(err, project)
		if n > 0 {
			a.o.Log.Info("user kicked in part", "project", project, "user", user, "sessions", n, "reason", reason)
			p.Detail = fmt.Sprintf("%d sessions were closed, and then: %s", n, p.Detail)
		}
		return p
	}
	a.o.Log.Info("user kicked", "project", project, "user", user, "sessions", n, "reason", reason)
	writeJSON(w, kicked{n})
	return nil
}

// destinations answers GET /v1/projects/{project}/destinations.
func (a *api) destinations(w http.ResponseWriter, r *http.Request, project string) *problem {
	q, p := query(r, "prefix", "after", "order", "limit")
	if p != nil {
		return p
	}
	if p := begins(q, "prefix"); p != nil {
		return p
	}
	limit, p := limit(q, defaultDestinations, maxDestinations)
	if p != nil {
		return p
	}
	asked := shard.DestinationQuery{Project: project, Prefix: q.Get("prefix"), After: q.Get("after"), Limit: limit}
	switch order := q.Get("order"); order {
	case "", "name":
		return a.byName(w, r, asked)
	case "subscriptions":
		if asked.After != "" {
			return badField("after goes with order=name: the most subscribed destinations are one page")
		}
		return a.bySubscriptions(w, r, asked)
	default:
		return badField("order is %s: send name or subscriptions", quote(order))
	}
}

// byName lists destinations in order of their names, page by page.
func (a *api) byName(w http.ResponseWriter, r *http.Request, q shard.DestinationQuery) *problem {
	out := newStream(w, `{"destinations":[`)
	out.most = pageSize(r)
	last := q.After
	more, err := a.o.Node.Destinations(r.Context(), q, func(some []shard.DestinationInfo) error {
		for i := range some {
			one := destination(some[i])
			out.item()
			out.value(&one)
		}
		last = some[len(some)-1].Destination
		return out.full()
	})
	if p := a.broken(out, err, q.Project); p != nil {
		return p
	}
	if !more {
		last = ""
	}
	out.next(last)
	return nil
}

// bySubscriptions lists the most subscribed destinations, the most subscribed first, and says how many destinations there
// are. It scans all, but holds only those of the list.
func (a *api) bySubscriptions(w http.ResponseWriter, r *http.Request, q shard.DestinationQuery) *problem {
	top := leaders{limit: min(q.Limit, maxLeaders)}
	q.Limit = -1
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	if _, err := a.o.Node.Destinations(ctx, q, func(some []shard.DestinationInfo) error {
		top.add(some)
		return nil
	}); err != nil {
		return a.waitProblem(err, q.Project)
	}
	out := newStream(w, `{"destinations":[`)
	for _, one := range top.sorted() {
		shown := destination(one)
		out.item()
		out.value(&shown)
	}
	out.end(`],"total":` + strconv.Itoa(top.total) + "}\n")
	return nil
}

// stats answers GET /v1/projects/{project}/stats.
func (a *api) stats(w http.ResponseWriter, r *http.Request, project string) *problem {
	if _, p := query(r); p != nil {
		return p
	}
	writeJSON(w, a.o.Node.Stats(project))
	return nil
}

// waitProblem is nodeProblem for a call that waited with a deadline.
func (a *api) waitProblem(err error, project string) *problem {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, codeTimeout, "the node did not answer in time: try again after Retry-After seconds")
	}
	return a.nodeProblem(err, project)
}

// query reads the parameters of the request's query. One that is not known, or present twice, is a mistake.
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
			return nil, badField("unknown parameter %s: %sthe parameters are %s", quote(name), hint, cmp.Or(strings.Join(known, ", "), "none"))
		}
		if len(values) > 1 {
			return nil, badField("parameter %s is present twice: send it once", name)
		}
	}
	return q, nil
}

// bare is query for a request that has parameters alone: what its body says would be lost.
func bare(r *http.Request, known ...string) (url.Values, *problem) {
	if r.ContentLength != 0 {
		return nil, badField("the request has a body, which would be ignored: send what it says as parameters, which are %s", cmp.Or(strings.Join(known, ", "), "none"))
	}
	return query(r, known...)
}

// begins refuses a parameter that fits no destination.
func begins(q url.Values, name string) *problem {
	if s := q.Get(name); s != "" && s[0] != '/' {
		return badField("%s is %s: destinations begin with /, as in /topic/demo/all", name, quote(s))
	}
	return nil
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
