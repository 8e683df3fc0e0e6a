package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"stentor/engine/directory"
)

// Cluster is what a node needs to ask the others, and to be asked. A node without the key answers for itself alone.
type Cluster struct {
	Key  []byte
	Self string // id of this node
	// Instance is what this node's beats have: another one after each start.
	Instance string
	// CA signs the certificates of the others' https addresses; nil for the system's CAs.
	CA *x509.CertPool
}

const (
	// peerTime is how long another node has for its answer.
	peerTime = 2 * time.Second
	// peersAtOnce is how many are asked at a time, listingsAtOnce how many of them for a page, which may be large.
	peersAtOnce    = 32
	listingsAtOnce = 4
	// peerPageBytes is about how long a page of one node may become when pages of several are merged: a single session may
	// be larger.
	peerPageBytes = 1 << 20
	maxPeerAnswer = pageBytes + 1<<20
	// askBytes is what one of those is charged that are asked at a time: a connection, and an answer of usual length.
	askBytes = 64 << 10
	// mergeBytes is what merging is charged for the pages in memory at a time, if the API's memory allows it.
	mergeBytes = 2 * listingsAtOnce * peerPageBytes
)

// peers asks the other nodes of the cluster.
type peers struct {
	o      Cluster
	view   *directory.View
	client http.Client
	now    func() time.Time
}

func newPeers(o Cluster, view *directory.View, now func() time.Time) *peers {
	return &peers{o: o, view: view, now: now, client: http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: o.CA, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeaderBlock,
		},
		// Nobody has vouched for the target of a redirect.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// others are the known nodes beside this one, in order of their ids.
func (p *peers) others() (all []directory.Node) {
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(p.view.Nodes(p.now()), func(n directory.Node) bool { return n.Self || n.ID == p.o.Self || n.State == directory.Left })
}

// listed is a node in a listing of all; other is nil for this one.
type listed struct {
	id    string
	other *directory.Node
}

// everyNode is this node and all others, in order of their ids.
func (a *api) everyNode() []listed {
	all := []listed{{id: a.peers.o.Self}}
	others := a.peers.others()
	for i := range others {
		all = append(all, listed{others[i].ID, &others[i]})
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.id, b.id) })
	return all
}

// reply is the answer of one node.
type reply struct {
	node   string
	status int
	body   []byte
	err    error // there is no answer
}

// ask sends a request to a node. path is escaped, and begins with /v1.
func (p *peers) ask(ctx context.Context, n *directory.Node, method, path string) reply {
	re := reply{node: n.ID}
	if !n.Sealed || n.API == "" {
		re.err = fmt.Errorf("node %s does not say how to ask it (advertise.api)", n.ID)
		return re
	}
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(n.API, "/")+path, nil)
	if err != nil {
		re.err = err
		return re
	}
	sign(r, p.o.Key, p.o.Self, run{n.ID, n.Instance}, p.now())
	answer, err := p.client.Do(r)
	if err != nil {
		re.err = err
		return re
	}
	defer answer.Body.Close()
	re.status = answer.StatusCode
	if re.body, re.err = io.ReadAll(io.LimitReader(answer.Body, maxPeerAnswer+1)); re.err == nil && len(re.body) > maxPeerAnswer {
		re.err = fmt.Errorf("the answer of node %s is too long", n.ID)
	}
	return re
}

// askAll asks some nodes side by side, and returns their answers in the same order.
func (p *peers) askAll(ctx context.Context, nodes []directory.Node, method, path string) []reply {
	all := make([]reply, len(nodes))
	turn := make(chan struct{}, peersAtOnce)
	var wg sync.WaitGroup
	for i := range nodes {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			all[i] = p.ask(ctx, &nodes[i], method, path)
		})
	}
	wg.Wait()
	return all
}

// merging is what a listing of all nodes is charged.
func (a *api) merging() int64 { return min(mergeBytes, a.o.MemoryBytes/8) }

// asking is what a request is charged that other nodes are asked for, as far as the API's memory allows. So it bounds the
// connections to other nodes as well.
func (a *api) asking() int64 {
	return min(int64(min(len(a.peers.others()), peersAtOnce))*askBytes, a.o.MemoryBytes/8)
}

// here makes this node answer a request itself, into memory.
func (a *api) here(r *http.Request, project string, h projectHandler) (re reply) {
	w := &memory{header: http.Header{}}
	defer func() { // it may run on a goroutine of its own, where nobody else would catch it
		if v := recover(); v != nil {
			a.metrics.panics.Inc()
			a.o.Log.Error("panic in an API handler", "route", r.URL.Path, "method", r.Method, "panic", v, "stack", string(debug.Stack()))
			re = reply{node: a.peers.o.Self, err: fmt.Errorf("panic: %v", v)}
		}
	}()
	if p := h(w, r, project); p != nil {
		p.write(w)
	}
	return reply{node: a.peers.o.Self, status: w.status, body: w.body.Bytes()}
}

// memory takes an answer.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (m *memory) Header() http.Header { return m.header }

func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

func (m *memory) Write(b []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(b)
}
