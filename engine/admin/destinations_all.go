package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

const (
	// leastLeaders is how many of its most subscribed destinations a node is asked for at least, leadersAsked how many times
	// as many as are wanted: a destination of the cluster's first need not be among the first of each node.
	leastLeaders = 100
	leadersAsked = 10
	// destinationBytes is what one takes beside its name.
	destinationBytes = 128
)

func (d *destination) size() int { return destinationBytes + len(d.Destination) }

// allDestinations lists the subscribed destinations of all nodes, with the sums of their counts.
func (a *api) allDestinations(w http.ResponseWriter, r *http.Request, project string) *problem {
	q := r.URL.Query()
	most, p := limit(q, defaultDestinations, maxDestinations)
	if p != nil {
		return p
	}
	f, p := a.fanOut(r, a.merging())
	if p != nil {
		return p
	}
	defer f.end()
	bySubscriptions := q.Get("order") == "subscriptions"
	m := destinationMerge{most: most, bySubscriptions: bySubscriptions, counts: map[string]*destination{}}
	if bySubscriptions {
		q.Set("limit", strconv.Itoa(min(max(leadersAsked*most, leastLeaders), maxLeaders)))
	} else {
		q.Set("limit", strconv.Itoa(most))
	}
	for some := range slices.Chunk(a.everyNode(), listingsAtOnce) {
		f.asks(len(some))
		replies := a.askPages(r, project, some, a.destinations, nil, func(string) url.Values { return q })
		var p *problem
		if !f.merge(r, func() { p = m.addAll(replies) }) {
			p = noTurn()
		}
		if p != nil {
			return p
		}
	}
	page := destinationsOfAll{Destinations: m.sorted(), Missing: m.missing}
	if bySubscriptions {
		page.Destinations, page.Total = page.Destinations[:min(most, len(page.Destinations))], &m.total
	} else if n := len(page.Destinations); m.more && n > 0 {
		page.Next = page.Destinations[n-1].Destination
	}
	writeJSON(w, page)
	return nil
}

// destinationMerge adds up the destinations of several nodes, of which it keeps the first by name or by subscriptions.
type destinationMerge struct {
	most            int
	bySubscriptions bool
	counts          map[string]*destination
	bytes           int    // of these
	last            string // names behind it are not known for all nodes; "" while all are
	more            bool   // there are some behind the last one
	total           int    // of the node that has most
	missing         []Missing
}

func (m *destinationMerge) addAll(replies []reply) *problem {
	for i := range replies {
		missing, p := sortOut(replies[i:i+1], m.add)
		if p != nil && p.Status == http.StatusBadRequest {
			return p
		}
		m.missing = append(m.missing, missing...)
	}
	m.cut()
	return nil
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
			m.bytes += d.size()
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

// cut drops what will not be on the page, and what there is no room for: then the page by name becomes shorter, and the least
// subscribed so far have less subscriptions than they should.
func (m *destinationMerge) cut() {
	room := mergedBytes
	if m.bySubscriptions {
		if m.bytes <= mergedBytes {
			return
		}
		room = mergedBytes / 2 // sorting them for each answer would be much work
	}
	all := m.sorted()
	keep := len(all)
	if m.last != "" {
		keep, _ = slices.BinarySearchFunc(all, m.last+"\x00", func(d destination, name string) int { return cmp.Compare(d.Destination, name) })
	}
	fit := 0
	for bytes := 0; fit < keep && (m.bySubscriptions || fit < m.most); fit++ {
		if bytes += all[fit].size(); bytes > room && fit > 0 {
			break
		}
	}
	if fit < keep {
		keep, m.more = fit, true
		if !m.bySubscriptions {
			m.last = all[fit-1].Destination
		}
	}
	for _, d := range all[keep:] {
		m.bytes -= d.size()
		delete(m.counts, d.Destination)
	}
}

func (m *destinationMerge) sorted() []destination {
	all := make([]destination, 0, len(m.counts))
	for _, d := range m.counts {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b destination) int {
		if m.bySubscriptions && a.Subscriptions != b.Subscriptions {
			return b.Subscriptions - a.Subscriptions
		}
		return cmp.Compare(a.Destination, b.Destination)
	})
	return all
}
