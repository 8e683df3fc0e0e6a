package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

	answerTime  time.Duration // 0 stands for peerTime
	answerBytes int64         // 0 stands for maxPeerAnswer
}

const (
	// peerTime is how long another node has for its answer. A suspect has less, for it would cost each page that much until it
	// is no longer listed; but not when sessions are to be closed on it: it may still have them.
	peerTime    = 2 * time.Second
	suspectTime = 300 * time.Millisecond
	// peersAtOnce is how many are asked at a time.
	peersAtOnce   = 32
	maxPeerAnswer = pageBytes + 1<<20
)

// peers asks the other nodes of the cluster.
type peers struct {
	o      Cluster
	view   *directory.View
	client http.Client
	now    func() time.Time
}

func newPeers(o Cluster, view *directory.View, now func() time.Time) *peers {
	o.answerTime, o.answerBytes = cmp.Or(o.answerTime, peerTime), cmp.Or(o.answerBytes, maxPeerAnswer)
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
	why    string // there is no answer
	crowd  bool   // the others' answers left no room for it; why says so as well
}

// ask sends a request to a node. path is escaped, and begins with /v1. room bounds the answer together with others'; nil is
// for the longest one.
func (p *peers) ask(ctx context.Context, n *directory.Node, method, path string, room *room) reply {
	re := reply{node: n.ID}
	if !n.Sealed || n.API == "" {
		re.why = notAskable
		return re
	}
	most := p.o.answerTime
	if n.State == directory.Suspect && method == http.MethodGet {
		most = suspectTime
	}
	of, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	r, err := http.NewRequestWithContext(of, method, strings.TrimRight(n.API, "/")+path, nil)
	if err != nil {
		re.why = notReachable
		return re
	}
	sign(r, p.o.Key, p.o.Self, run{n.ID, n.Instance}, p.now())
	answer, err := p.client.Do(r)
	if err == nil {
		defer answer.Body.Close()
		re.status = answer.StatusCode
		re.body, err = room.read(answer.Body, p.o.answerBytes)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		re.why = noTimeLeft
	case of.Err() != nil:
		re.why = silent(n, most)
	case errors.Is(err, errCrowd):
		re.why, re.crowd = err.Error(), true
	case errors.Is(err, errLong):
		re.why = err.Error()
	default:
		re.why = notReachable + suspicion(n)
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
			all[i] = p.ask(ctx, &nodes[i], method, path, nil)
		})
	}
	wg.Wait()
	return all
}

// room is what the answers of several nodes may take together. Those that do not fit are not read to their end.
type room struct{ left atomic.Int64 }

var (
	errLong  = errors.New("its answer is too long")
	errCrowd = errors.New("its answer is too long beside those of others")
)

func newRoom(bytes int64) *room {
	r := new(room)
	r.left.Store(bytes)
	return r
}

// read reads an answer. Without a room it may have most bytes.
func (r *room) read(from io.Reader, most int64) ([]byte, error) {
	if r == nil {
		all, err := io.ReadAll(io.LimitReader(from, most+1))
		if err == nil && int64(len(all)) > most {
			return nil, errLong
		}
		return all, err
	}
	var all bytes.Buffer
	for {
		n, err := io.CopyN(&all, from, chunkBytes)
		if r.left.Add(-n) < 0 {
			r.left.Add(int64(all.Len()))
			return nil, errCrowd
		}
		if errors.Is(err, io.EOF) {
			return all.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
	}
}
