package jwks

import (
	"crypto/elliptic"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/engine/testkit/bubble"
)

// stand stands in for a provider, in simulated time.
type stand struct {
	mu     sync.Mutex
	text   string        // what it answers
	err    error         // or why it does not
	takes  time.Duration // for that
	asked  int
	active int
	most   int
}

func (s *stand) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	s.active++
	s.most = max(s.most, s.active)
	takes := s.takes
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.active--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader(s.text)), ContentLength: -1}, nil
}

func (s *stand) answers(text string, err error, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.err, s.takes = text, err, takes
}

// crowd is how many fetches there were at a time.
func (s *stand) crowd() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *stand) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

var errAway = errors.New("away")

// served is a source of s that fetches.
func served(s *stand) (*Sources, *Source) {
	all := NewSources(Options{Transport: s})
	source := all.Get(Spec{URL: "https://provider/keys", Algorithms: Algorithms})
	all.Serve([]*Source{source})
	bubble.Wait()
	return all, source
}

// ask asks and waits for the answer.
func ask(s *Source) error {
	answer := make(chan error, 1)
	s.Ask(func(err error) { answer <- err })
	return <-answer
}

func keysOf(s *Source) (ids string) {
	if set := s.Set(); set != nil {
		for _, k := range set.Keys {
			ids += k.ID
		}
	}
	return ids
}

func TestSource(t *testing.T) {
	a, b, c := newEC(t, elliptic.P256()).Public(), newEC(t, elliptic.P256()).Public(), newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{text: set(jwk(t, a, "a"))}
		all, s := served(p)
		defer all.Close()
		want := func(ids string, version uint32) {
			t.Helper()
			if bubble.Wait(); keysOf(s) != ids || s.Version() != version {
				t.Errorf("keys %q, version %d, want %q, %d", keysOf(s), s.Version(), ids, version)
			}
		}
		want("a", 0)
		p.answers(set(jwk(t, a, "a"), jwk(t, b, "b")), nil, 0)
		time.Sleep(15 * time.Minute)
		want("ab", 0) // nothing is gone
		p.answers(set(jwk(t, b, "b")), nil, 0)
		time.Sleep(15 * time.Minute)
		want("b", 1)
		p.answers(set(jwk(t, c, "b")), nil, 0) // the same kid, another key
		time.Sleep(15 * time.Minute)
		want("b", 2)
		p.answers("", errAway, 0)
		time.Sleep(23 * time.Hour)
		want("b", 2)
		time.Sleep(2 * time.Hour)
		want("", 3) // too old
		p.answers(set(jwk(t, c, "b")), nil, 0)
		time.Sleep(mostBackoff)
		want("b", 3)
		for _, lie := range []string{"<html>", `{"keys":[]}`, set(`{"kty":"oct","k":"AAAA"}`)} {
			p.answers(lie, nil, 0)
			time.Sleep(15 * time.Minute)
			want("b", 3)
		}
	})
}

// However often it is asked, a provider has one fetch at a time, and one in 10 s.
func TestSourceIsSparing(t *testing.T) {
	a := newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{text: set(jwk(t, a, "a")), takes: 3 * time.Second}
		all, s := served(p)
		defer all.Close()
		var answered int
		var mu sync.Mutex
		for range 1000 {
			s.Ask(func(error) { mu.Lock(); answered++; mu.Unlock() })
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if n := p.count(); n > 12 || p.crowd() != 1 || answered != 1000 {
			t.Errorf("%d fetches in 100 s, %d at a time, %d of 1000 are answered", n, p.crowd(), answered)
		}
		if before := p.count(); true {
			time.Sleep(10 * time.Minute)
			if n := p.count() - before; n > 1 {
				t.Errorf("%d fetches that nobody asked for", n)
			}
		}
	})
}

// Who asks is answered with a fetch that began later, or at once when the provider has just failed.
func TestAsk(t *testing.T) {
	a, b := newEC(t, elliptic.P256()).Public(), newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{text: set(jwk(t, a, "a")), takes: 2 * time.Second}
		all, s := served(p)
		defer all.Close()
		time.Sleep(time.Second) // the first fetch is under way
		begun := time.Now()
		p.answers(set(jwk(t, b, "b")), nil, 0)
		if err := ask(s); err != nil || s.Set().Begun.Before(begun) || keysOf(s) != "b" {
			t.Errorf("%v, keys %q, fetched at %v, asked at %v", err, keysOf(s), s.Set().Begun, begun)
		}
		time.Sleep(time.Minute)
		p.answers("", errAway, time.Second)
		if err := ask(s); !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		before, now := p.count(), time.Now()
		for range 100 {
			if err := ask(s); !errors.Is(err, errAway) {
				t.Errorf("%v", err)
			}
		}
		if p.count() != before || !time.Now().Equal(now) {
			t.Errorf("%d more fetches, in %v", p.count()-before, time.Since(now))
		}
		time.Sleep(MinPause)
		p.answers(set(jwk(t, a, "a")), nil, 0)
		if err := ask(s); err != nil || keysOf(s) != "a" {
			t.Errorf("it is back: %v, keys %q", err, keysOf(s))
		}
		time.Sleep(time.Minute)
		p.answers("", nil, time.Hour) // it hangs
		now = time.Now()
		if err := ask(s); err == nil || time.Since(now) > fetchTime || keysOf(s) != "a" {
			t.Errorf("%v after %v, keys %q", err, time.Since(now), keysOf(s))
		}
	})
}

// A provider that is away is tried again, ever more rarely.
func TestSourceAway(t *testing.T) {
	a := newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{err: errAway}
		all, s := served(p)
		defer all.Close()
		time.Sleep(time.Hour)
		if n := p.count(); n < 25 || n > 45 {
			t.Errorf("%d fetches in an hour", n)
		}
		p.answers(set(jwk(t, a, "a")), nil, 0)
		time.Sleep(mostBackoff)
		bubble.Wait()
		if keysOf(s) != "a" {
			t.Error("it is back, and its keys are not")
		}
	})
}

// Projects share sources; a reload keeps those that are used, and ends the others, whoever waits for them.
func TestServe(t *testing.T) {
	a := newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{text: set(jwk(t, a, "a"))}
		all := NewSources(Options{Transport: p})
		one, two := Spec{URL: "https://a/", Algorithms: Algorithms}, Spec{Issuer: "https://b/", Algorithms: Algorithms}
		kept, ended, idle := all.Get(one), all.Get(two), all.Get(Spec{URL: "https://c/"})
		if all.Get(one) != kept || kept == ended {
			t.Fatal("a source is not shared")
		}
		all.Serve([]*Source{kept, kept, ended})
		if err := ask(idle); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		bubble.Wait()
		p.answers("", nil, time.Hour)
		time.Sleep(MinPause)
		answer := make(chan error, 1)
		ended.Ask(func(err error) { answer <- err })
		fetched := kept.Set()
		all.Serve([]*Source{kept})
		if err := <-answer; !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		if all.Get(one) != kept || kept.Set() != fetched || all.Get(two) == ended || ask(ended) == nil {
			t.Error("the reload changed what it should not")
		}
		if got := all.Stats(); len(got) != 2 || got[0].Provider != "https://a/" || got[0].Keys != 1 || got[0].Refreshed != 1 {
			t.Errorf("%+v", got)
		}
		all.Close()
	})
}

// Providers that hang hold up those that fail as well, and none that answers.
func TestHangingProvidersDelayNobodyElse(t *testing.T) {
	a := newEC(t, elliptic.P256()).Public()
	bubble.Test(t, func(t *testing.T) {
		p := &stand{text: set(jwk(t, a, "a"))}
		hang := &stand{takes: time.Hour}
		both := roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Host, "hang") {
				return hang.RoundTrip(r)
			}
			return p.RoundTrip(r)
		})
		all := NewSources(Options{Transport: both})
		defer all.Close()
		used := []*Source{all.Get(Spec{URL: "https://good/", Algorithms: Algorithms})}
		for i := range 20 * mostFetches {
			used = append(used, all.Get(Spec{URL: "https://hang" + strings.Repeat("x", i) + "/"}))
		}
		all.Serve(used)
		time.Sleep(20 * 15 * time.Second)
		if hang.crowd() > 2*mostFetches {
			t.Errorf("%d fetches at a time", hang.crowd())
		}
		now := time.Now()
		if err := ask(used[0]); err != nil || time.Since(now) > MinPause {
			t.Errorf("%v after %v", err, time.Since(now))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
