package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// askPages asks some nodes, this one included, for a page of a listing.
func (a *api) askPages(r *http.Request, project string, nodes []listed, alone projectHandler, queryOf func(node string) url.Values) []reply {
	all := make([]reply, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		one := r.Clone(context.WithValue(r.Context(), smallPages{}, true))
		one.URL.RawQuery = queryOf(n.id).Encode()
		wg.Go(func() {
			if n.other == nil {
				all[i] = a.here(one, project, alone)
			} else {
				all[i] = a.peers.ask(one.Context(), n.other, r.Method, target(one))
			}
		})
	}
	wg.Wait()
	return all
}

// smallPages is the context key of a request whose page is merged with others.
type smallPages struct{}

// pageSize is how long a page may become.
func pageSize(r *http.Request) int {
	if signed(r) || r.Context().Value(smallPages{}) != nil {
		return peerPageBytes
	}
	return pageBytes
}

// allSessions lists the sessions of all nodes, node by node in order of their ids. The cursor names the node, and its own cursor.
func (a *api) allSessions(w http.ResponseWriter, r *http.Request, project string) *problem {
	q := r.URL.Query()
	most, p := limit(q, defaultSessions, maxSessions)
	if p != nil {
		return p
	}
	from, after, ok := strings.Cut(q.Get("after"), ":")
	if !ok && q.Has("after") {
		return badField("after is %s, which is not from a page of all nodes: send the next of the previous page, or leave it out for the first", quote(q.Get("after")))
	}
	owner := a.owner(r)
	if p := a.memory.take(owner, a.merging()); p != nil {
		return p
	}
	defer a.memory.give(owner, a.merging())
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	m := sessionMerge{left: most, page: SessionPage{Sessions: []Session{}}}
	nodes := slices.DeleteFunc(a.everyNode(), func(n listed) bool { return n.id < from })
	for width := 1; len(nodes) > 0 && !m.full; width = min(2*width, listingsAtOnce) {
		if m.left == 0 || ctx.Err() != nil {
			m.page.Next = nodes[0].id + ":"
			break
		}
		some := nodes[:min(width, len(nodes))]
		nodes = nodes[len(some):]
		replies := a.askPages(r, project, some, a.sessions, func(node string) url.Values {
			one := maps.Clone(q)
			one.Del("after")
			if node == from && after != "" {
				one.Set("after", after)
			}
			one.Set("limit", strconv.Itoa(m.left))
			return one
		})
		if p := m.add(replies); p != nil {
			return p
		}
	}
	writeJSON(w, m.page)
	return nil
}

// sessionMerge is a page of several nodes' sessions.
type sessionMerge struct {
	page SessionPage
	left int  // sessions that still fit
	full bool // it has reached its length
}

// add takes nodes' pages in order.
func (m *sessionMerge) add(replies []reply) *problem {
	for i := range replies {
		re := &replies[i]
		var one SessionPage
		missing, p := sortOut(replies[i:i+1], func(_ string, body []byte) error { return json.Unmarshal(body, &one) })
		switch {
		case p != nil && p.Status == http.StatusBadRequest:
			return p
		case p != nil:
			m.page.Missing = append(m.page.Missing, missing...)
			continue
		case len(one.Sessions) > m.left: // earlier pages have used up the limit that it was asked with
			m.page.Next, m.full = re.node+":", true
			return nil
		}
		for k := range one.Sessions {
			one.Sessions[k].Node = re.node
		}
		m.page.Sessions = append(m.page.Sessions, one.Sessions...)
		m.left -= len(one.Sessions)
		if one.Next != "" {
			m.page.Next, m.full = re.node+":"+one.Next, true
			return nil
		}
		if m.left == 0 && i+1 < len(replies) {
			m.page.Next, m.full = replies[i+1].node+":", true
			return nil
		}
	}
	return nil
}

// allDestinations lists the subscribed destinations of all nodes, with the sums of their counts.
func (a *api) allDestinations(w http.ResponseWriter, r *http.Request, project string) *problem {
	q := r.URL.Query()
	most, p := limit(q, defaultDestinations, maxDestinations)
	if p != nil {
		return p
	}
	owner := a.owner(r)
	if p := a.memory.take(owner, a.merging()); p != nil {
		return p
	}
	defer a.memory.give(owner, a.merging())
	bySubscriptions := q.Get("order") == "subscriptions"
	m := destinationMerge{most: most, counts: map[string]*destination{}}
	if bySubscriptions {
		m.most = maxLeaders
	}
	q.Set("limit", strconv.Itoa(m.most))
	for some := range slices.Chunk(a.everyNode(), listingsAtOnce) {
		replies := a.askPages(r, project, some, a.destinations, func(string) url.Values { return q })
		for i := range replies {
			missing, p := sortOut(replies[i:i+1], m.add)
			if p != nil && p.Status == http.StatusBadRequest {
				return p
			}
			m.missing = append(m.missing, missing...)
		}
		if !bySubscriptions {
			m.cut()
		}
	}
	page := destinationsOfAll{Destinations: m.sorted(bySubscriptions), Missing: m.missing}
	if bySubscriptions {
		page.Destinations, page.Total = page.Destinations[:min(most, len(page.Destinations))], &m.total
	} else if n := len(page.Destinations); m.more && n > 0 {
		page.Next = page.Destinations[n-1].Destination
	}
	writeJSON(w, page)
	return nil
}

// destinationMerge adds up the destinations of several nodes, of which it keeps the first by name.
type destinationMerge struct {
	most    int
	counts  map[string]*destination
	last    string // names behind it are not known for all nodes; "" while all are
	more    bool   // there are some behind the last one
	total   int    // of the node that has most
	missing []string
}

func (m *destinationMerge) add(_ string, body []byte) error {
	var page struct {
		Destinations []destination
		Next         string
		Total        int
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	for i := range page.Destinations {
		d := &page.Destinations[i]
		if sum := m.counts[d.Destination]; sum != nil {
			sum.Subscriptions += d.Subscriptions
			sum.Detached += d.Detached
		} else {
			m.counts[d.Destination] = d
		}
	}
	m.total = max(m.total, page.Total, len(m.counts))
	if page.Next != "" {
		m.more = true
		if m.last == "" || page.Next < m.last {
			m.last = page.Next
		}
	}
	return nil
}

// cut drops what will not be on the page.
func (m *destinationMerge) cut() {
	all := m.sorted(false)
	keep := len(all)
	if m.last != "" {
		keep, _ = slices.BinarySearchFunc(all, m.last+"\x00", func(d destination, name string) int { return cmp.Compare(d.Destination, name) })
	}
	if keep > m.most {
		keep, m.more = m.most, true
		m.last = all[keep-1].Destination
	}
	for _, d := range all[keep:] {
		delete(m.counts, d.Destination)
	}
}

func (m *destinationMerge) sorted(bySubscriptions bool) []destination {
	all := make([]destination, 0, len(m.counts))
	for _, d := range m.counts {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b destination) int {
		if bySubscriptions && a.Subscriptions != b.Subscriptions {
			return b.Subscriptions - a.Subscriptions
		}
		return cmp.Compare(a.Destination, b.Destination)
	})
	return all
}
