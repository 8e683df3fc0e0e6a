package auth

import (
	"slices"
	"sync"
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
	limit   int
	mu      sync.Mutex
	of      map[*jwks.Source]*queue
	leaving sync.WaitGroup // those who have taken some, and answer them
	closing chan struct{}
	close   sync.Once
}

func (p *parking) len() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	case err != nil:
		go a.parked.sendAway(all) // a source has more to do
		return
	}
	defer a.parked.leaving.Done()
	for _, j := range all {
		if refused, why := a.put(a.queue, j); refused != nil {
			refused.done(Identity{}, why)
		}
	}
}

// Those whose provider does not answer are sent away one after the other. They may be as many as came in 10 s: others' messages
// would wait for the end of all their connections, and they would come back together.
const (
	awayOver = 3 * time.Second
	awayTurn = 10 * time.Millisecond
)

// sendAway answers all, at once when the Authenticator closes.
func (p *parking) sendAway(all []*job) {
	defer p.leaving.Done()
	const turns = int(awayOver / awayTurn)
	for some := range slices.Chunk(all, (len(all)+turns-1)/turns) {
		for _, j := range some {
			j.done(Identity{}, errProvider)
		}
		select {
		case <-time.After(awayTurn):
		case <-p.closing:
		}
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
	a.parked.close.Do(func() { close(a.parked.closing) })
	a.parked.leaving.Wait()
}
