package admin

import (
	"context"
	"net/http"
	"net/url"
	"sync"
)

const (
	// peerPageBytes is about how long a page of one node may become when pages of several are merged: a single session may
	// be larger.
	peerPageBytes = 1 << 20
	// listingsAtOnce is how many nodes are asked at a time for pages that may all be long.
	listingsAtOnce = 4
	// mergeBytes is what merging is charged for the pages in memory at a time, if the API's memory allows it. Half of it
	// is for pages that arrive, half for what becomes of them.
	mergeBytes  = 2 * listingsAtOnce * peerPageBytes
	mergedBytes = mergeBytes / 2
)

// merging is what a listing of all nodes is charged.
func (a *api) merging() int64 { return min(mergeBytes, a.o.MemoryBytes/8) }

// askPages asks some nodes, this one included, for a page of a listing. The first may be as long as a page can be; room is
// for all others together.
func (a *api) askPages(r *http.Request, project string, nodes []listed, alone projectHandler, room *room, queryOf func(node string) url.Values) []reply {
	all := make([]reply, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		one := r.Clone(context.WithValue(r.Context(), smallPages{}, true))
		one.URL.RawQuery = queryOf(n.id).Encode()
		mine := room
		if i == 0 {
			mine = nil
		}
		wg.Go(func() {
			if n.other == nil {
				all[i] = a.here(one, project, alone)
			} else {
				all[i] = a.peers.ask(one.Context(), n.other, r.Method, target(one), mine)
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

// noTurn is the problem of a request whose answers arrived and whose turn to merge them did not come.
func noTurn() *problem {
	return newProblem(http.StatusServiceUnavailable, codeTimeout, "the answers of the nodes were not merged in time: try again after Retry-After seconds")
}
