package auth

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type answer struct {
	id  Identity
	err *Error
}

// authenticate waits for the answer. cached says that it came at once.
func authenticate(t testing.TB, a *Authenticator, c Credentials) (id Identity, err *Error, cached bool) {
	t.Helper()
	answers := make(chan answer, 1)
	id, err, ok := a.Authenticate(c, func(id Identity, err *Error) { answers <- answer{id, err} })
	if !ok {
		got := <-answers
		id, err = got.id, got.err
	}
	checkError(t, err, c.Token)
	return id, err, ok
}

// clock is a settable time.
type clock struct{ unix atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.unix.Store(noon)
	return c
}

func (c *clock) now() time.Time { return time.Unix(c.unix.Load(), 0) }

func newAuthenticator(t testing.TB, o Options, projects ...*Project) (*Authenticator, *Projects) {
	t.Helper()
	ps, err := NewProjects(projects, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Now == nil {
		o.Now = newClock().now
	}
	a := NewAuthenticator(ps, o)
	t.Cleanup(a.Close)
	return a, ps
}

func TestAuthenticate(t *testing.T) {
	key := newHMAC()
	open := mustProject(t, ProjectConfig{Name: "open", Anonymous: true, Keys: []Key{key.key("k")}})
	shut := mustProject(t, ProjectConfig{Name: "shut", Keys: []Key{key.key("k")}, Issuer: "shut-issuer"})
	a, _ := newAuthenticator(t, Options{DefaultProject: "shut"}, open, shut)
	nobodys, _ := newAuthenticator(t, Options{}, open, shut)
	good := key.sign(t, "k", jwt.MapClaims{"sub": "bob"})
	issued := key.sign(t, "k", jwt.MapClaims{"sub": "bob", "iss": "shut-issuer"})
	bad := newHMAC().sign(t, "k", jwt.MapClaims{"sub": "bob"})
	old := key.sign(t, "k", jwt.MapClaims{"sub": "bob", "exp": noon - 1})
	for _, c := range []struct {
		name   string
		a      *Authenticator
		c      Credentials
		id     Identity
		err    *Error
		atOnce bool
	}{
		{"anonymous", a, Credentials{Project: "open"}, Identity{Project: open}, nil, true},
		{"anonymous by endpoint", a, Credentials{EndpointProject: "open"}, Identity{Project: open}, nil, true},
		{"both", a, Credentials{Project: "open", EndpointProject: "open"}, Identity{Project: open}, nil, true},
		{"two", a, Credentials{Project: "open", EndpointProject: "shut"}, Identity{}, errTwoProjects, true},
		{"two with a token", a, Credentials{Project: "shut", EndpointProject: "open", Token: good}, Identity{}, errTwoProjects, true},
		{"not anonymous", a, Credentials{Project: "shut"}, Identity{}, errNoToken, true},
		{"default, not anonymous", a, Credentials{}, Identity{}, errNoToken, true},
		{"no project", nobodys, Credentials{}, Identity{}, errNoProject, true},
		{"no project with a token", nobodys, Credentials{Token: good}, Identity{}, errNoProject, false},
		{"unknown project", a, Credentials{Project: "x"}, Identity{}, errWhichProject, true},
		{"unknown project with a token", a, Credentials{Project: "x", Token: good}, Identity{}, errWhichProject, true},
		{"token too long", a, Credentials{Project: "open", Token: strings.Repeat("x", maxToken+1)}, Identity{}, errTokenLength, true},
		{"token", a, Credentials{Project: "open", Token: good}, Identity{Project: open, User: "bob"}, nil, false},
		{"token again", a, Credentials{Project: "open", Token: good}, Identity{Project: open, User: "bob"}, nil, true},
		{"token by endpoint", a, Credentials{EndpointProject: "open", Token: good}, Identity{Project: open, User: "bob"}, nil, true},
		{"another project", a, Credentials{Project: "shut", Token: good}, Identity{}, errIssuer, false},
		{"anonymous with a bad token", a, Credentials{Project: "open", Token: bad}, Identity{}, errSignature, false},
		{"refusals are not remembered", a, Credentials{Project: "open", Token: bad}, Identity{}, errSignature, false},
		{"anonymous with an old token", a, Credentials{Project: "open", Token: old}, Identity{}, errExpired, false},
		{"by issuer", nobodys, Credentials{Token: issued}, Identity{Project: shut, User: "bob"}, nil, false},
		{"by issuer again", nobodys, Credentials{Token: issued}, Identity{Project: shut, User: "bob"}, nil, true},
		{"issuer against header", nobodys, Credentials{Project: "open", Token: issued}, Identity{}, errTwoProjects, false},
		{"issuer against endpoint", nobodys, Credentials{EndpointProject: "open", Token: issued}, Identity{}, errTwoProjects, false},
		{"issuer and header", nobodys, Credentials{Project: "shut", Token: issued}, Identity{Project: shut, User: "bob"}, nil, false},
	} {
		id, err, atOnce := authenticate(t, c.a, c.c)
		if id != c.id || err != c.err || atOnce != c.atOnce {
			t.Errorf("%s: %+v, %v, at once %v", c.name, id, err, atOnce)
		}
	}
	if s := a.Stats(); s.Verified != 1 || s.CacheHits != 2 || s.Refused != 4 || s.Queued != 0 || s.CacheEntries != 1 || s.Panics != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCachedTokenExpires(t *testing.T) {
	key, c := newHMAC(), newClock()
	a, _ := newAuthenticator(t, Options{Now: c.now}, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	who := Credentials{Project: "a", Token: key.sign(t, "k", jwt.MapClaims{"sub": "bob", "exp": noon + 10})}
	authenticate(t, a, who)
	c.unix.Store(noon + 9)
	if id, err, cached := authenticate(t, a, who); err != nil || !cached || id.Expires != noon+10 {
		t.Errorf("before exp: %+v, %v, cached %v", id, err, cached)
	}
	c.unix.Store(noon + 10)
	if _, err, cached := authenticate(t, a, who); err != errExpired || cached {
		t.Errorf("at exp: %v, cached %v", err, cached)
	}
}

func TestReloadForgetsTokens(t *testing.T) {
	one, two := newHMAC(), newHMAC()
	project := func(k *signer) *Project { return mustProject(t, ProjectConfig{Name: "a", Keys: []Key{k.key("k")}}) }
	first := project(one)
	a, ps := newAuthenticator(t, Options{}, first)
	who := Credentials{Project: "a", Token: one.sign(t, "k", jwt.MapClaims{"sub": "bob"})}
	authenticate(t, a, who)
	if id, _, cached := authenticate(t, a, who); !cached || id.Project != first {
		t.Error("not remembered")
	}
	// The same keys: verified again, and found in the new set.
	second := project(one)
	if err := ps.Swap([]*Project{second}, nil); err != nil {
		t.Fatal(err)
	}
	if id, err, cached := authenticate(t, a, who); err != nil || cached || id.Project != second {
		t.Errorf("after reload: %+v, %v, cached %v", id, err, cached)
	}
	if _, _, cached := authenticate(t, a, who); !cached {
		t.Error("not remembered after reload")
	}
	// Other keys.
	if err := ps.Swap([]*Project{project(two)}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err, cached := authenticate(t, a, who); err != errSignature || cached {
		t.Errorf("the key is gone: %v, cached %v", err, cached)
	}
	if err := ps.Swap(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err, _ := authenticate(t, a, who); err != errWhichProject {
		t.Errorf("the project is gone: %v", err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	key := newHMAC()
	a, _ := newAuthenticator(t, Options{Workers: 1, Queue: 2}, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	token := func(i int) Credentials {
		return Credentials{Project: "a", Token: key.sign(t, "k", jwt.MapClaims{"sub": fmt.Sprint(i)})}
	}
	started, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	a.Authenticate(token(0), func(Identity, *Error) { calls.Add(1); close(started); <-release })
	<-started
	for i := range 2 {
		if _, _, ok := a.Authenticate(token(1+i), func(Identity, *Error) { calls.Add(1) }); ok {
			t.Fatal("not queued")
		}
	}
	_, err, ok := a.Authenticate(token(3), func(Identity, *Error) { t.Error("done is called for a refused job") })
	if !ok || err != errBusy || err.Code != CodeUnavailable || strings.HasPrefix(err.Text, "Failed") {
		t.Errorf("full queue: %v, %v", err, ok)
	}
	if s := a.Stats(); s.Busy != 1 || s.Queued != 2 {
		t.Errorf("%+v", s)
	}
	// What needs no verification is answered still.
	if _, err, ok := a.Authenticate(Credentials{Project: "a"}, nil); !ok || err != errNoToken {
		t.Errorf("%v, %v", err, ok)
	}
	close(release)
	a.Close()
	if calls.Load() != 3 {
		t.Errorf("done was called %d times for 3 jobs", calls.Load())
	}
	if _, err, ok := a.Authenticate(token(4), nil); !ok || err != errAuthenticator || err.Code != CodeUnavailable {
		t.Errorf("after Close: %v, %v", err, ok)
	}
	a.Close()
}

// TestEachJobIsAnsweredOnce closes while many goroutines ask and projects are swapped.
func TestEachJobIsAnsweredOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	key := newHMAC()
	project := mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}})
	ps, err := NewProjects([]*Project{project}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAuthenticator(ps, Options{Workers: 3, Queue: 8, CacheEntries: 16, Now: newClock().now})
	var tokens []string
	for i := range 40 {
		tokens = append(tokens, key.sign(t, "k", jwt.MapClaims{"sub": fmt.Sprint(i), "subscribe": fmt.Sprint("/topic/", i%3)}))
	}
	var askers sync.WaitGroup
	var answers [4 * 200]atomic.Int32
	for g := range 4 {
		askers.Go(func() {
			for i := range 200 {
				n := &answers[g*200+i]
				user := fmt.Sprint(i % 40)
				check := func(id Identity, err *Error) {
					if err == nil && id.User != user || err != nil && err.Code != CodeUnavailable {
						t.Errorf("%+v, %v", id, err)
					}
					n.Add(1)
				}
				if id, err, ok := a.Authenticate(Credentials{Project: "a", Token: tokens[i%40]}, check); ok {
					check(id, err)
				}
				if i == 100 && g == 0 {
					ps.Swap([]*Project{project}, nil)
				}
				if i == 150 && g == 1 {
					a.Close()
				}
			}
		})
	}
	askers.Wait()
	a.Close()
	for i := range answers {
		if n := answers[i].Load(); n != 1 {
			t.Fatalf("question %d has %d answers", i, n)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestPanicRefusesTheToken(t *testing.T) {
	key := newHMAC()
	a, _ := newAuthenticator(t, Options{}, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	id, err, _ := a.verify(&job{named: "a", token: key.sign(t, "k", `{}`)})
	if err != nil || id.Project == nil {
		t.Fatal(err)
	}
	a.cache.sets = nil // division by zero
	id, err, _ = a.verify(&job{named: "a", token: key.sign(t, "k", `{}`)})
	if err != errTokenForm || id != (Identity{}) || a.Stats().Panics != 1 {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestAuthenticateAllocates(t *testing.T) {
	key := signers()[rs256]
	a, _ := newAuthenticator(t, Options{}, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	who := Credentials{Project: "a", Token: key.sign(t, "k", jwt.MapClaims{"sub": "bob", "subscribe": "/topic/a/**"})}
	authenticate(t, a, who)
	done := func(Identity, *Error) { t.Error("verified again") }
	if n := testing.AllocsPerRun(100, func() { a.Authenticate(who, done) }); n > 0 {
		t.Errorf("a cached token allocates %v times", n)
	}
}

func BenchmarkAuthenticateCached(b *testing.B) {
	key := signers()[rs256]
	a, _ := newAuthenticator(b, Options{}, mustProject(b, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	who := Credentials{Project: "a", Token: key.sign(b, "k", jwt.MapClaims{"sub": "bob"})}
	authenticate(b, a, who)
	b.ReportAllocs()
	for b.Loop() {
		a.Authenticate(who, nil)
	}
}
