package auth

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/engine/jwks"
)

// Sources are the identity providers whose keys verify tokens of the project.
func (p *Project) Sources() []*jwks.Source { return p.sources }

// issuers are those whose tokens are of the project; one may come more than once.
func (p *Project) issuers() (all []string) {
	if p.issuer != "" {
		all = append(all, p.issuer)
	}
	for _, s := range p.sources {
		if issuer := s.Spec().Issuer; issuer != "" {
			all = append(all, issuer)
		}
	}
	return all
}

// keysVersion changes when one of the project's keys is gone.
func (p *Project) keysVersion() (version uint32) {
	for _, s := range p.sources {
		version += s.Version()
	}
	return version
}

// providers are those that may have the key of a token: one with an issuer has the keys of that issuer's tokens alone.
func (p *Project) providers(alg string, claims jwt.MapClaims) (may []*jwks.Source) {
	for _, s := range p.sources {
		spec := s.Spec()
		if iss, _ := claims["iss"].(string); spec.Has(alg) && (spec.Issuer == "" || spec.Issuer == iss) {
			may = append(may, s)
		}
	}
	return may
}

// olderThan is the first provider whose keys were last asked for before at, nil for none.
func olderThan(providers []*jwks.Source, at time.Time) *jwks.Source {
	for _, s := range providers {
		if set := s.Set(); set == nil || set.Begun.Before(at) {
			return s
		}
	}
	return nil
}

// parking holds the tokens that no known key verifies, until their provider was asked: no worker waits for it. Each
// provider's are a queue, with its bound and its turns.
type parking struct {
	limit int
	mu    sync.Mutex
	of    map[*jwks.Source]*queue

	leaving sync.WaitGroup // who has taken some, and answers them
	left    atomic.Int64   // those that were taken and have no answer yet
	closing context.Context
	close   context.CancelFunc
}

func newParking(limit int) *parking {
	p := &parking{limit: limit, of: map[*jwks.Source]*queue{}}
	p.closing, p.close = context.WithCancel(context.Background())
	return p
}

// len counts those too that are being sent away.
func (p *parking) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int(p.left.Load())
	for _, q := range p.of {
		n += q.len()
	}
	return n
}

// add parks j, and reports whether it is the first for its provider.
func (p *parking) add(s *jwks.Source, j *job) (first bool, refused *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.of[s]
	if first = q == nil; first {
		q = newQueue(p.limit)
		p.of[s] = q
	}
	refused, _ = q.put(j)
	return first, refused
}

// take returns what is parked for s. The caller calls leaving.Done when there is some and all of it is answered.
func (p *parking) take(s *jwks.Source) []*job {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.of[s]
	if q == nil {
		return nil
	}
	delete(p.of, s)
	all := q.drain()
	if len(all) > 0 {
		p.leaving.Add(1)
		p.left.Add(int64(len(all)))
	}
	return all
}

// park has j wait until the provider was asked. A worker calls it.
func (a *Authenticator) park(s *jwks.Source, j *job) {
	first, refused := a.parked.add(s, j)
	if refused != nil {
		a.busy.Add(1)
		refused.done(Identity{}, errBusy)
	}
	if first {
		s.Ask(func(err error) { a.unpark(s, err) })
	}
}

// unpark verifies what waits for a provider that was asked; err is of one that does not answer. Tokens that came after the
// question may park again.
func (a *Authenticator) unpark(s *jwks.Source, err error) {
	all := a.parked.take(s)
	switch {
	case len(all) == 0:
		return
	case err != nil && len(all) > 1:
		go a.parked.sendAway(all) // a source has more to do
		return
	}
	defer a.parked.leaving.Done()
	for _, j := range all {
		a.parked.left.Add(-1)
		if err != nil {
			j.done(Identity{}, errProvider)
		} else if refused, why := a.put(a.queue, j); refused != nil {
			refused.done(Identity{}, why)
		}
	}
}

// sendAway answers those whose provider does not answer, as fast as they came; at once when the Authenticator closes. They may
// fill the queue: if all their connections ended together, others' messages would wait for that, and they would come back together.
func (p *parking) sendAway(all []*job) {
	defer p.leaving.Done()
	slices.SortFunc(all, func(a, b *job) int { return a.asked.Compare(b.asked) })
	ahead := time.Since(all[0].asked)
	for i, j := range all {
		if wait := time.Until(j.asked.Add(ahead)); wait > 0 {
			select {
			case <-time.After(wait):
			case <-p.closing.Done():
			}
		}
		p.left.Add(-1)
		j.done(Identity{}, errProvider)
		all[i] = nil // with its token
	}
}

// unparkAll answers all that wait for providers, once there are no workers.
func (a *Authenticator) unparkAll() {
	a.parked.mu.Lock()
	all := a.parked.of
	a.parked.of = map[*jwks.Source]*queue{}
	a.parked.mu.Unlock()
	for _, q := range all {
		for _, j := range q.drain() {
			j.done(Identity{}, errAuthenticator)
		}
	}
	a.parked.close()
	a.parked.leaving.Wait()
}
