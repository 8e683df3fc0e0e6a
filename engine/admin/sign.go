package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"stentor/engine/fifo"
)

// signatureHeader carries the signature of a request from one node to another. Nodes that share cluster.key trust each other; the
// key itself is never sent. The value is
//
//	1 TIME NONCE FROM INSTANCE MAC
//
// with the time in Unix milliseconds, some letters that no other request has, the id of the node that asks, the instance that
// the node that is asked has in its beats, and 64 hex digits: HMAC-SHA-256, under the key, of these lines, each with a line
// feed:
//
//	stentor request 1
//	METHOD
//	PATH, escaped, with ? and the query behind it
//	the hex digits of the body's SHA-256
//	TIME
//	NONCE
//	FROM
//	the id of the node that is asked
//	INSTANCE
//
// A node remembers in memory which requests it has seen. The instance is another one after each start: so a request that was
// seen before the start cannot be sent again after it.
const signatureHeader = "Stentor-Signature"

// signatureTime is how far apart the clocks of two nodes may be, transit included. A signature is valid for that long.
const signatureTime = time.Minute

// emptySum is the hash of no body: requests between nodes have none.
var emptySum = hex.EncodeToString(sha256.New().Sum(nil))

// run is one run of a node.
type run struct{ node, instance string }

// sign adds the signature to a request without a body for a run of a node.
func sign(r *http.Request, key []byte, from string, to run, now time.Time) {
	at, nonce := strconv.FormatInt(now.UnixMilli(), 10), rand.Text()
	mac := hex.EncodeToString(requestMAC(r, key, at, nonce, from, to))
	r.Header.Set(signatureHeader, strings.Join([]string{"1", at, nonce, from, to.instance, mac}, " "))
}

func requestMAC(r *http.Request, key []byte, at, nonce, from string, to run) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "stentor request 1\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", r.Method, target(r), emptySum, at, nonce, from, to.node, to.instance)
	return h.Sum(nil)
}

// signatures checks the requests of other nodes.
type signatures struct {
	key  []byte
	self run

	mu sync.Mutex
	// used are the MACs of requests that change something, until when they could be sent again; order has them by that time, and
	// owned how many there are of a project, or of the admin ("").
	used  map[string]struct{}
	order fifo.List[usedSign]
	owned map[string]int
}

type usedSign struct {
	mac, owner string
	until      time.Time
}

// maxUsed bounds the signatures that are remembered: so many kicks and drains of all nodes in twice signatureTime. A
// project may have as many as remain for the others, so that endless kicks in one do not block those in others.
const maxUsed = 10_000

var (
	errSignature = errors.New("the signature is not right: cluster.key has to be the same on all nodes")
	errOldSign   = errors.New("the signature is of another time: the clocks of the nodes have to agree within a minute")
	errOtherRun  = errors.New("the request is for an earlier run of this node: it was started a moment ago")
	errUsedSign  = errors.New("this request was sent before")
	errManySigns = errors.New("too many requests of other nodes")
)

// check returns what is wrong with the signature of a request, nil if nothing is. A good one is for this run of this node, from another
// that has the key, and recent; if the request changes something, it is new. owner is the project that it is about, "" for
// the admin.
func (s *signatures) check(r *http.Request, owner string, now time.Time) error {
	fields := strings.Fields(r.Header.Get(signatureHeader))
	if len(s.key) == 0 || len(fields) != 6 || fields[0] != "1" || r.ContentLength != 0 {
		return errSignature
	}
	at, err := strconv.ParseInt(fields[1], 10, 64)
	sum, bad := hex.DecodeString(fields[5])
	to := run{s.self.node, fields[4]}
	if err != nil || bad != nil || !hmac.Equal(sum, requestMAC(r, s.key, fields[1], fields[2], fields[3], to)) {
		return errSignature
	}
	if apart := now.UnixMilli() - at; apart > signatureTime.Milliseconds() || apart < -signatureTime.Milliseconds() {
		return errOldSign
	}
	if to != s.self {
		return errOtherRun
	}
	if r.Method == http.MethodGet {
		return nil
	}
	return s.first(string(sum), owner, now)
}

// first remembers the MAC of a request. Its text would not do: hex digits can be written in two ways.
func (s *signatures) first(mac, owner string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.order.Len() > 0 && now.After(s.order.At(0).until) {
		old := s.order.Pop()
		delete(s.used, old.mac)
		if s.owned[old.owner]--; s.owned[old.owner] == 0 {
			delete(s.owned, old.owner)
		}
	}
	if _, again := s.used[mac]; again {
		return errUsedSign
	}
	if s.owned[owner] >= maxUsed-len(s.used) {
		return errManySigns
	}
	if s.used == nil {
		s.used, s.owned = map[string]struct{}{}, map[string]int{}
	}
	s.used[mac] = struct{}{}
	s.owned[owner]++
	s.order.Push(usedSign{mac, owner, now.Add(2 * signatureTime)})
	return nil
}
