package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// allSessions lists the sessions of all nodes, node by node in order of their ids. The cursor names the node, and its own
// cursor. A search that finds little asks ever more nodes at a time.
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
	f, p := a.fanOut(r, a.merging())
	if p != nil {
		return p
	}
	defer f.end()
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	m := sessionMerge{left: most, page: sessionsOfAll{Sessions: []json.RawMessage{}}}
	nodes := slices.DeleteFunc(a.everyNode(), func(n listed) bool { return n.id < from })
	for width := 1; len(nodes) > 0 && !m.full; width = min(2*width, peersAtOnce) {
		if m.left == 0 || m.bytes >= mergedBytes || ctx.Err() != nil {
			m.page.Next = nodes[0].id + ":"
			break
		}
		some := nodes[:min(width, len(nodes))]
		nodes = nodes[len(some):]
		f.asks(len(some))
		replies := a.askPages(r, project, some, a.sessions, newRoom(mergedBytes), func(node string) url.Values {
			one := maps.Clone(q)
			one.Del("after")
			if node == from && after != "" {
				one.Set("after", after)
			}
			one.Set("limit", strconv.Itoa(m.left))
			return one
		})
		var p *problem
		if !f.merge(r, func() { p = m.add(replies) }) {
			p = noTurn()
		}
		if p != nil {
			return p
		}
	}
	writeJSON(w, m.page)
	return nil
}

// sessionsOfAll is a SessionPage. Its sessions are as the nodes wrote them, with the node.
type sessionsOfAll struct {
	Sessions []json.RawMessage `json:"sessions"`
	Next     string            `json:"next,omitempty"`
	Missing  []Missing         `json:"missing,omitempty"`
}

// read decodes the page of a node. It checks as much of its sessions as withNode needs.
func (page *sessionsOfAll) read(body []byte) error {
	if err := json.Unmarshal(body, page); err != nil {
		return err
	}
	for _, s := range page.Sessions {
		if len(s) < len(`{"":0}`) || s[0] != '{' {
			return errors.New("a session that is none")
		}
	}
	return nil
}

// sessionMerge is a page of several nodes' sessions.
type sessionMerge struct {
	page  sessionsOfAll
	left  int  // sessions that still fit
	bytes int  // of the page
	full  bool // it has reached its length
}

// add takes nodes' pages in order. The page ends before a node whose own did not fit.
func (m *sessionMerge) add(replies []reply) *problem {
	for i := range replies {
		re := &replies[i]
		if re.crowd || m.left == 0 || i > 0 && m.bytes+len(re.body) > mergeBytes {
			m.page.Next, m.full = re.node+":", true
			return nil
		}
		var one sessionsOfAll
		missing, p := sortOut(replies[i:i+1], func(_ string, body []byte) error { return one.read(body) })
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
			m.page.Sessions = append(m.page.Sessions, withNode(one.Sessions[k], re.node))
		}
		m.left -= len(one.Sessions)
		m.bytes += len(re.body)
		if one.Next != "" {
			m.page.Next, m.full = re.node+":"+one.Next, true
			return nil
		}
	}
	return nil
}

// withNode adds the node to a session, which is a JSON object with some fields.
func withNode(session json.RawMessage, node string) json.RawMessage {
	name, _ := json.Marshal(node) // a string
	head := bytes.TrimRight(session[:len(session)-1], " \t\r\n")
	return slices.Concat(head, []byte(`,"node":`), name, []byte("}"))
}
