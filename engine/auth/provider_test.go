package auth

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"stentor/engine/jwks"
	"stentor/engine/refusal"
	"stentor/engine/testkit/bubble"
)

// keyServer stands in for an identity provider, by kid.
type keyServer struct {
	mu    sync.Mutex
	keys  map[string]*signer
	takes time.Duration
	away  bool
	asked int
}

func (k *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	k.asked++
	takes := k.takes
	k.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return nil, errors.New("away")
	}
	var set jose.JSONWebKeySet
	for kid, s := range k.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.private.(crypto.Signer).Public(), KeyID: kid})
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(text))), ContentLength: -1}, nil
}

func (k *keyServer) set(change func(*keyServer)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

func (k *keyServer) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

const providerURL = "https://provider/keys"

// provided runs f with a project p whose keys are those of a provider.
func provided(t *testing.T, o Options, k *keyServer, f func(a *Authenticator)) {
	bubble.Test(t, func(t *testing.T) {
		sources := jwks.NewSources(jwks.Options{Transport: k})
		defer sources.Close()
		p := mustProject(t, ProjectConfig{Name: "p", Providers: []jwks.Spec{{URL: providerURL, Algorithms: jwks.Algorithms}}, Sources: sources})
		other := mustProject(t, ProjectConfig{Name: "other", Keys: []Key{newHMAC().key("k")}, Anonymous: true})
		sources.Serve(p.Sources())
		ps, err := NewProjects([]*Project{p, other}, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Now = newClock().now
		a := NewAuthenticator(ps, o)
		defer a.Close()
		f(a)
	})
}

func TestProvider(t *testing.T) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}}
	provided(t, Options{}, k, func(a *Authenticator) {
		want := func(kid string, key *signer, code string) {
			t.Helper()
			id, err, _ := authenticate(t, a, Credentials{Project: "p", Token: key.sign(t, kid, jwt.MapClaims{"sub": "bob", "n": time.Now().UnixNano()})})
			if code == "" && (err != nil || id.User != "bob") || code != "" && (err == nil || err.Code != code) {
				t.Errorf("%+v, %v, want %q", id, err, code)
			}
		}
		want("a", s, "") // while the first fetch is under way
		want("", s, "")
		time.Sleep(time.Minute)
		begun, asked := time.Now(), k.count()
		want("a", s, "")
		if k.count() != asked || time.Now() != begun {
			t.Error("a known key is asked for")
		}
		want("b", s, CodeAuth) // it asks first
		if k.count() != asked+1 {
			t.Errorf("%d fetches for an unknown kid", k.count()-asked)
		}
		want("a", newP256(), CodeAuth) // a forgery
		want("a", signers()[rs256], CodeAuth)
		want("a", newHMAC(), CodeAuth)

		time.Sleep(time.Minute)
		newer := newP256()
		k.set(func(k *keyServer) { k.keys["b"] = newer })
		want("b", newer, "") // at once after the rotation
		time.Sleep(time.Minute)
		third := newP256()
		k.set(func(k *keyServer) { k.keys["b"] = third }) // another key under the same kid
		want("b", third, "")
		want("b", newer, CodeAuth)
		time.Sleep(time.Minute)
		k.set(func(k *keyServer) { k.keys[""] = newer; delete(k.keys, "a") })
		want("", newer, "")

		time.Sleep(time.Minute)
		k.set(func(k *keyServer) { k.away = true })
		want("b", third, "")                  // which is known
		want("c", third, CodeUnavailable)     // it may have it
		want("b", newP256(), CodeUnavailable) // or this
		if n := a.Stats(); n.Parked != 0 || n.Queued != 0 {
			t.Errorf("%+v", n)
		}
		k.set(func(k *keyServer) { k.away = false; k.takes = time.Hour }) // it hangs
		time.Sleep(time.Minute)
		want("c", third, CodeUnavailable)
	})
}

func newP256() *signer { return newECDSA(ecCurve) }

// A provider that is away when the node starts: its clients are told to come back, and can when it is there.
func TestProviderAwayAtTheStart(t *testing.T) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}, away: true}
	provided(t, Options{}, k, func(a *Authenticator) {
		who := Credentials{Project: "p", Token: s.sign(t, "a", jwt.MapClaims{"sub": "bob"})}
		for range 3 {
			if _, err, _ := authenticate(t, a, who); err != errProvider || err.Reason != refusal.TokenProvider {
				t.Errorf("%v", err)
			}
		}
		k.set(func(k *keyServer) { k.away = false })
		time.Sleep(jwks.MinPause)
		if id, err, _ := authenticate(t, a, who); err != nil || id.User != "bob" {
			t.Errorf("%v, %v", id, err)
		}
	})
}

// What a key has verified is forgotten with the key.
func TestGoneKeyFlushesTheCache(t *testing.T) {
	s, other := signers()[es256], newP256()
	k := &keyServer{keys: map[string]*signer{"a": s, "b": other}}
	provided(t, Options{}, k, func(a *Authenticator) {
		who := Credentials{Project: "p", Token: s.sign(t, "a", jwt.MapClaims{"sub": "bob"})}
		_, _, first := authenticate(t, a, who)
		_, err, second := authenticate(t, a, who)
		if first || !second || err != nil {
			t.Fatalf("cached %v, then %v, %v", first, second, err)
		}
		k.set(func(k *keyServer) { k.keys["c"] = newP256() })
		time.Sleep(15 * time.Minute)
		bubble.Wait()
		if _, _, cached := authenticate(t, a, who); !cached {
			t.Error("a new key flushes")
		}
		k.set(func(k *keyServer) { delete(k.keys, "b") })
		time.Sleep(15 * time.Minute)
		bubble.Wait()
		if _, err, cached := authenticate(t, a, who); cached || err != nil {
			t.Errorf("another key is gone: cached %v, %v", cached, err)
		}
		k.set(func(k *keyServer) { delete(k.keys, "a") })
		time.Sleep(15 * time.Minute)
		bubble.Wait()
		if _, err, cached := authenticate(t, a, who); cached || err == nil || err.Code != CodeAuth {
			t.Errorf("its key is gone: cached %v, %v", cached, err)
		}
		k.set(func(k *keyServer) { k.keys["a"] = s })
		time.Sleep(15 * time.Minute)
		authenticate(t, a, who)
		k.set(func(k *keyServer) { k.away = true })
		time.Sleep(25 * time.Hour)
		if _, err, cached := authenticate(t, a, who); cached || err != errProvider {
			t.Errorf("its key is too old: cached %v, %v", cached, err)
		}
	})
}

// A provider that hangs holds up no worker and no client of another project, and what waits for it is bounded.
func TestHangingProviderHoldsUpNobody(t *testing.T) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}}
	provided(t, Options{Workers: 1, Queue: 50}, k, func(a *Authenticator) {
		bubble.Wait()
		k.set(func(k *keyServer) { k.takes = time.Hour })
		time.Sleep(time.Minute)
		var mu sync.Mutex
		answers := map[refusal.Reason]int{}
		answered := func() map[refusal.Reason]int { mu.Lock(); defer mu.Unlock(); return maps.Clone(answers) }
		const crowd = 200
		for i := range crowd {
			who := Credentials{Project: "p", Token: s.sign(t, "new", jwt.MapClaims{"n": i}), Source: netip.AddrFrom4([4]byte{1, 2, 3, byte(i % 4)})}
			_, err, ok := a.Authenticate(who, func(_ Identity, err *Error) { mu.Lock(); answers[err.Reason]++; mu.Unlock() })
			if ok {
				t.Fatal(err)
			}
			bubble.Wait()
		}
		if n := a.Stats().Parked; n != 50 || answered()[refusal.TokenQueue] != crowd-50 {
			t.Errorf("%d wait, %v are answered", n, answered())
		}
		begun := time.Now()
		if id, err, _ := authenticate(t, a, Credentials{Project: "p", Token: s.sign(t, "a", jwt.MapClaims{"sub": "ann"})}); err != nil || id.User != "ann" {
			t.Errorf("a known key: %v", err)
		}
		if _, err, _ := authenticate(t, a, Credentials{Project: "other", Token: s.sign(t, "a", "{}")}); err == nil || err.Code != CodeAuth {
			t.Errorf("another project: %v", err)
		}
		if time.Now() != begun {
			t.Error("they waited")
		}
		time.Sleep(time.Minute)
		bubble.Wait()
		if n := a.Stats().Parked; n != 0 || answered()[refusal.TokenProvider] != 50 {
			t.Errorf("%d wait, %v are answered", n, answered())
		}
	})
}

// awaits has so many clients come, each after some time, whose provider hangs. It returns how many have no answer yet, and when
// each of the others got it.
func awaits(t *testing.T, a *Authenticator, s *signer, crowd int, each time.Duration) (wait func() int, at []time.Time) {
	var mu sync.Mutex
	at = make([]time.Time, crowd)
	left := crowd
	for i := range crowd {
		_, err, ok := a.Authenticate(Credentials{Project: "p", Token: s.sign(t, "a", jwt.MapClaims{"n": i})}, func(_ Identity, err *Error) {
			mu.Lock()
			defer mu.Unlock()
			left--
			if at[i] = time.Now(); err != errProvider {
				t.Error(err)
			}
		})
		if ok {
			t.Fatal(err)
		}
		time.Sleep(each)
	}
	return func() int { mu.Lock(); defer mu.Unlock(); return left }, at
}

// Clients whose provider does not answer are sent away as fast as they came, and count until then.
func TestSentAwayAsTheyCame(t *testing.T) {
	const crowd, each = 100, 20 * time.Millisecond
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}, takes: time.Hour}
	provided(t, Options{}, k, func(a *Authenticator) {
		left, at := awaits(t, a, s, crowd, each)
		for left() == crowd {
			time.Sleep(each)
		}
		if n := a.Stats().Parked; n != left() || n < crowd/2 {
			t.Errorf("%d count of %d", n, left())
		}
		time.Sleep(time.Minute)
		if n := a.Stats().Parked; n != 0 || left() != 0 {
			t.Errorf("%d wait, %d count", left(), n)
		}
		for i := range at[1:] {
			if got := at[i+1].Sub(at[i]); got != each {
				t.Fatalf("number %d is sent away %v after the one before", i+1, got)
			}
		}
	})
}

// Who is being sent away is answered at once when the node ends.
func TestCloseAnswersWhoIsSentAway(t *testing.T) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}, takes: time.Hour}
	provided(t, Options{}, k, func(a *Authenticator) {
		left, _ := awaits(t, a, s, 100, 20*time.Millisecond)
		for left() == 100 {
			time.Sleep(time.Millisecond)
		}
		before := time.Now()
		a.Close()
		if left() != 0 || time.Now() != before {
			t.Errorf("%d are not answered after %v", left(), time.Since(before))
		}
	})
}

// Who waits for a provider is answered when the node ends.
func TestCloseAnswersWhatIsParked(t *testing.T) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"a": s}, takes: time.Hour}
	var got *Error
	provided(t, Options{}, k, func(a *Authenticator) {
		a.Authenticate(Credentials{Project: "p", Token: s.sign(t, "a", "{}")}, func(_ Identity, err *Error) { got = err })
		bubble.Wait()
		if a.Stats().Parked != 1 {
			t.Errorf("%+v", a.Stats())
		}
	})
	if got != errAuthenticator {
		t.Errorf("%v", got)
	}
}

// Tokens of an issuer are verified by that issuer's keys alone, and say which project they are of.
func TestIssuerOfProvider(t *testing.T) {
	ours, theirs := newP256(), newP256()
	const our, their = "https://login.example.com/our", "https://login.example.com/their"
	answers := map[string]string{}
	for issuer, s := range map[string]*signer{our: ours, their: theirs} {
		set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.private.(crypto.Signer).Public(), KeyID: "k"}}})
		answers[issuer+"/.well-known/openid-configuration"] = fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/keys")
		answers[issuer+"/keys"] = string(set)
	}
	bubble.Test(t, func(t *testing.T) {
		sources := jwks.NewSources(jwks.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answers[r.URL.String()])), ContentLength: -1}, nil
		})})
		defer sources.Close()
		of := func(name string, issuers ...string) *Project {
			c := ProjectConfig{Name: name, Sources: sources}
			for _, issuer := range issuers {
				c.Providers = append(c.Providers, jwks.Spec{Issuer: issuer, Algorithms: []string{es256}})
			}
			return mustProject(t, c)
		}
		a, b := of("a", our, their, our), of("b", their)
		sources.Serve(append(a.Sources(), b.Sources()...))
		ps, err := NewProjects([]*Project{a, b}, nil)
		if err != nil {
			t.Fatal(err)
		}
		auth := NewAuthenticator(ps, Options{Now: newClock().now})
		defer auth.Close()
		for _, c := range []struct {
			named, iss string
			key        *signer
			project    *Project
		}{
			{"", our, ours, a}, {"a", our, ours, a}, {"a", their, theirs, a}, {"b", their, theirs, b},
			{"", their, theirs, nil}, // of two projects
			{"a", our, theirs, nil}, {"a", their, ours, nil}, {"b", our, ours, nil}, {"a", "", ours, nil}, {"a", our + "/", ours, nil},
		} {
			claims := jwt.MapClaims{}
			if c.iss != "" {
				claims["iss"] = c.iss
			}
			id, err, _ := authenticate(t, auth, Credentials{Project: c.named, Token: c.key.sign(t, "k", claims)})
			if id.Project != c.project || (err == nil) != (c.project != nil) || err != nil && err.Code != CodeAuth {
				t.Errorf("%q for %q: %+v, %v", c.iss, c.named, id, err)
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// BenchmarkConnect: a token that is not cached, verified with a key from a file, or from a provider's set.
func BenchmarkConnect(b *testing.B) {
	s := signers()[es256]
	k := &keyServer{keys: map[string]*signer{"k": s}}
	sources := jwks.NewSources(jwks.Options{Transport: k})
	defer sources.Close()
	file := mustProject(b, ProjectConfig{Name: "p", Keys: []Key{s.key("k")}})
	provider := mustProject(b, ProjectConfig{Name: "p", Providers: []jwks.Spec{{URL: providerURL, Algorithms: jwks.Algorithms}}, Sources: sources})
	sources.Serve(provider.Sources())
	fetched := make(chan error, 1)
	provider.Sources()[0].Ask(func(err error) { fetched <- err })
	token := s.sign(b, "k", jwt.MapClaims{"sub": "bob"})
	if err := <-fetched; err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]*Project{"file": file, "provider": provider} {
		b.Run(name, func(b *testing.B) {
			a, _ := newAuthenticator(b, Options{Workers: 1, CacheEntries: 1}, p)
			done := make(chan *Error, 1)
			b.ReportAllocs()
			for b.Loop() {
				a.queue.put(&job{named: "p", token: token, asked: time.Now(), done: func(_ Identity, err *Error) { done <- err }})
				<-done
			}
		})
	}
}
