package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"weak"

	"stentor/engine/destination"
)

// Grant is how a token narrows what its session may subscribe to. Nil does not narrow. Equal claims of a project share one,
// as long as it is in use.
type Grant struct{ rules []*destination.Rule }

const (
	maxGrantRules = 64 // in one claim
	// maxGrantSteps bounds what a claim may cost: an event loop goes through its rules with each SUBSCRIBE. See
	// destination.Rule.Steps.
	maxGrantSteps = 4000
	minSweep      = 64 // grants, before looking for dead ones pays
)

// Bytes is how much memory g takes.
func (g *Grant) Bytes() (n int) {
	if g == nil {
		return 0
	}
	for _, r := range g.rules {
		n += 8 + r.Bytes()
	}
	return n
}

// grants finds the Grant of a claim that was seen before, without keeping it alive. The zero value is empty.
type grants struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]weak.Pointer[Grant]
	sweep int // when there are so many, forget the dead ones
}

// grant returns the Grant for a claim's value, or nil when the value is malformed or would cost too much.
func (p *Project) grant(claim any) *Grant {
	list, ok := stringList(claim)
	if !ok || len(list) > maxGrantRules {
		return nil
	}
	slices.Sort(list)
	list = slices.Compact(list)
	var text []byte
	for _, s := range list {
		if len(s) > destination.MaxBytes {
			return nil
		}
		text = binary.BigEndian.AppendUint16(text, uint16(len(s)))
		text = append(text, s...)
	}
	sum := sha256.Sum256(text)

	g := &p.grants
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.known[sum].Value(); known != nil {
		return known
	}
	rules, err := parseRules(list, p.name)
	if err != nil {
		return nil
	}
	steps := 0
	for _, r := range rules {
		steps += r.Steps()
	}
	if steps > maxGrantSteps {
		return nil
	}
	if g.known == nil {
		g.known = make(map[[sha256.Size]byte]weak.Pointer[Grant])
	}
	if len(g.known) >= max(g.sweep, minSweep) {
		for k, v := range g.known {
			if v.Value() == nil {
				delete(g.known, k)
			}
		}
		// There can be no more than twice as many as are alive, and a sweep costs each newcomer a constant.
		g.sweep = 2 * len(g.known)
	}
	grant := &Grant{rules: rules}
	g.known[sum] = weak.Make(grant)
	return grant
}

// stringList reads a claim that is a string or a list of strings. The list is the caller's own.
func stringList(claim any) ([]string, bool) {
	switch v := claim.(type) {
	case string:
		return []string{v}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}
