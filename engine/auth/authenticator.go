package auth

import (
	"cmp"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/jwks"
)

// Credentials are what a client presents.
type Credentials struct {
	Project         string // by header or query
	EndpointProject string // by the path it connected to
	Token           string
	Source          netip.Addr // the address or network that it comes from; each has a share of the workers
}

// Identity is what is known of an accepted client.
type Identity struct {
	Project *Project
	User    string // "" for nobody
	Grant   *Grant
	Expires int64 // of the token, Unix seconds; 0 for never
}

// Options of an Authenticator. Zero fields take the default.
type Options struct {
	Workers        int // goroutines that verify; default one a core
	Queue          int // tokens that may wait for them; default 10000
	CacheEntries   int // verified tokens to remember; default 8192
	DefaultProject string
	Now            func() time.Time
}

// Stats counts what an Authenticator did.
type Stats struct {
	Verified     uint64 // tokens that were accepted by a worker
	Refused      uint64 // tokens that were refused by a worker
	CacheHits    uint64
	Busy         uint64 // answers "unavailable" because the queue was full, to a client of the project and address with the most in it
	Panics       uint64 // of the verification; the token was refused
	Queued       int    // tokens that wait now
	Parked       int    // and those that wait for the keys of a provider, or that it has not answered
	CacheEntries int    // slots of the cache in use
}

// Authenticator verifies tokens on goroutines of its own.
type Authenticator struct {
	projects *Projects
	fallback string
	now      func() time.Time
	cache    *cache
	queue    *queue
	parked   *parking
	workers  sync.WaitGroup

	verified, refused, hits, busy, panics atomic.Uint64
}

type job struct {
	named, token string
	source       netip.Addr
	asked        time.Time // when the client came
	key          cacheKey
	done         func(Identity, *Error)
}

// NewAuthenticator starts the workers.
func NewAuthenticator(projects *Projects, o Options) *Authenticator {
	a := &Authenticator{
		projects: projects,
		fallback: o.DefaultProject,
		now:      o.Now,
		cache:    newCache(cmp.Or(o.CacheEntries, 8192)),
		queue:    newQueue(cmp.Or(o.Queue, 10000)),
		parked:   newParking(cmp.Or(o.Queue, 10000)),
	}
	if a.now == nil {
		a.now = time.Now
	}
	for range cmp.Or(o.Workers, runtime.GOMAXPROCS(0)) {
		a.workers.Go(a.work)
	}
	return a
}

// Close answers what waits and returns when the workers have ended. Authenticate answers "unavailable" from then on. It
// must not be called from a done function.
func (a *Authenticator) Close() {
	a.queue.close()
	a.workers.Wait()
	a.unparkAll()
}

// Authenticate says who a client is. With ok the answer is id, or err when that is not nil, and done is never called.
// Without ok done is called exactly once, on any goroutine, possibly before Authenticate returns, even on the caller's. It must
// not block.
// Authenticate may be called from any goroutine and does not block.
//
// The project is the one that the client names, the endpoint's, the one whose issuer the token has, or the default one,
// whichever comes first; the first three must not contradict each other. A project that accepts anonymous clients still
// verifies the token of a client that has one.
func (a *Authenticator) Authenticate(c Credentials, done func(Identity, *Error)) (id Identity, err *Error, ok bool) {
	set := a.projects.current.Load()
	named := cmp.Or(c.Project, c.EndpointProject)
	if c.EndpointProject != "" && named != c.EndpointProject {
		return Identity{}, errTwoProjects, true
	}
	if c.Token == "" {
		id, err = set.anonymous(cmp.Or(named, a.fallback))
		return id, err, true
	}
	if named != "" {
		if project, _ := set.get(named); project == nil {
			return Identity{}, errWhichProject, true
		}
	}
	if len(c.Token) > maxToken {
		return Identity{}, errTokenLength, true
	}
	key := newCacheKey(named, c.Token)
	if e, ok := a.cache.get(key, set.generation, a.now().Unix()); ok && e.keys == set.list[e.project].keysVersion() {
		a.hits.Add(1)
		return Identity{Project: set.list[e.project], User: e.user, Grant: e.grant, Expires: e.expires}, nil, true
	}
	j := &job{named: named, token: c.Token, source: c.Source, asked: time.Now(), key: key, done: done}
	refused, err := a.put(a.queue, j)
	switch refused {
	case nil:
		return Identity{}, nil, false
	case j:
		return Identity{}, err, true
	}
	refused.done(Identity{}, err)
	return Identity{}, nil, false
}

// put adds j to a queue. One that has to give way for it is returned, to be answered with err.
func (a *Authenticator) put(q *queue, j *job) (refused *job, err *Error) {
	if refused, err = q.put(j); refused != nil && err == errBusy {
		a.busy.Add(1)
	}
	return refused, err
}

// anonymous answers a client that has no token.
func (s *set) anonymous(name string) (Identity, *Error) {
	project, _ := s.get(name)
	switch {
	case name == "":
		return Identity{}, errNoProject
	case project == nil:
		return Identity{}, errWhichProject
	case !project.anonymous:
		return Identity{}, errNoToken
	}
	return Identity{Project: project}, nil
}

func (a *Authenticator) work() {
	for j := a.queue.take(); j != nil; j = a.queue.take() {
		id, err, old := a.verify(j)
		switch {
		case old != nil:
			a.park(old, j)
			continue
		case err != nil:
			a.refused.Add(1)
		default:
			a.verified.Add(1)
		}
		j.done(id, err)
	}
}

// verify runs on a worker, with the current set of projects, which may have changed since the job was queued. See set.verify.
func (a *Authenticator) verify(j *job) (id Identity, err *Error, old *jwks.Source) {
	defer func() {
		if recover() != nil {
			a.panics.Add(1)
			id, err, old = Identity{}, errTokenForm, nil
		}
	}()
	set, now := a.projects.current.Load(), a.now().Unix()
	v, err, old := set.verify(j.named, a.fallback, j.token, j.asked, now)
	if err != nil {
		return Identity{}, err, old
	}
	a.cache.put(entry{
		key:        j.key,
		user:       v.User,
		grant:      v.Grant,
		expires:    v.Expires,
		generation: set.generation,
		project:    v.index,
		keys:       v.keys,
	}, now)
	return v.Identity, nil, nil
}

// Stats may be called from any goroutine.
func (a *Authenticator) Stats() Stats {
	return Stats{
		Verified:     a.verified.Load(),
		Refused:      a.refused.Load(),
		CacheHits:    a.hits.Load(),
		Busy:         a.busy.Load(),
		Panics:       a.panics.Load(),
		Queued:       a.queue.len(),
		Parked:       a.parked.len(),
		CacheEntries: int(a.cache.used.Load()),
	}
}
