package jwks

import (
	"compress/gzip"
	"context"
	"crypto/elliptic"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// provider answers each path with a function.
func provider(t *testing.T, paths map[string]http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for path, answer := range paths {
		mux.HandleFunc(path, answer)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestFetch(t *testing.T) {
	good := set(jwk(t, newEC(t, elliptic.P256()).Public(), "e"))
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for range 10 << 20 / 1024 {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1024))); err != nil {
				return
			}
		}
	}
	elsewhere := provider(t, map[string]http.HandlerFunc{"/keys": says(good)})
	s := provider(t, map[string]http.HandlerFunc{
		"/keys": says(good),
		"/big":  endless,
		"/declared": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10485760")
			endless(w, r)
		},
		"/gzip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer func() { _ = z.Close() }()
			for range 10 << 10 {
				_, _ = z.Write(make([]byte, 1024))
			}
		},
		"/away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/keys", http.StatusFound)
		},
		"/moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/keys", http.StatusMovedPermanently)
		},
		"/error":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); _, _ = w.Write([]byte(good)) },
		"/created": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = w.Write([]byte(good)) },
		"/page":    says("<html>Log in</html>"),
		"/cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(good))
		},
		"/headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 100<<10))
			_, _ = w.Write([]byte(good))
		},
	})
	for path, want := range map[string]string{
		"/keys": "", "/big": "more than 262144 bytes", "/declared": "10485760 bytes", "/gzip": "not a key set", "/away": "redirects are not followed",
		"/moved": "redirects are not followed", "/error": "503", "/created": "201", "/page": "not a key set", "/cut": "unexpected EOF", "/headers": "exceeded",
		"/none": "404",
	} {
		keys, _, err := fetch(context.Background(), newClient(nil), Spec{URL: s.URL + path + "?secret=1", Algorithms: Algorithms})
		switch {
		case want == "" && (err != nil || len(keys) != 1):
			t.Errorf("%s: %d keys, %v", path, len(keys), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	s.Close()
	if _, _, err := fetch(context.Background(), newClient(nil), Spec{URL: s.URL + "/keys", Algorithms: Algorithms}); err == nil {
		t.Error("a provider that is away has keys")
	}
}

// A provider that hangs is left in time, wherever it does.
func TestFetchHangs(t *testing.T) {
	over := make(chan struct{})
	hang := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}
	s := provider(t, map[string]http.HandlerFunc{
		"/hang": hang,
		"/half": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[`))
			w.(http.Flusher).Flush()
			hang(w, r)
		},
	})
	defer close(over)
	for _, path := range []string{"/hang", "/half"} {
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime/100)
		if _, _, err := fetch(ctx, newClient(nil), Spec{URL: s.URL + path, Algorithms: Algorithms}); err == nil {
			t.Errorf("%s: no error", path)
		}
		cancel()
	}
}

func TestDiscovery(t *testing.T) {
	good := set(jwk(t, newEC(t, elliptic.P256()).Public(), "e"))
	var s *httptest.Server
	document := func(issuer, keys string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			says(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, s.URL+issuer, strings.ReplaceAll(keys, "SELF", s.URL)))(w, r)
		}
	}
	const at = "/.well-known/openid-configuration"
	s = provider(t, map[string]http.HandlerFunc{
		"/keys":         says(good),
		"/good" + at:    document("/good", "SELF/keys"),
		"/slash" + at:   document("/slash/", "SELF/keys"),
		"/liar" + at:    document("/good", "SELF/keys"),
		"/plain" + at:   document("/plain", "http://keys.example.com/"),
		"/file" + at:    document("/file", "file:///etc/passwd"),
		"/nothing" + at: document("/nothing", ""),
		"/page" + at:    says("<html>"),
		"/moved" + at:   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good"+at, http.StatusFound) },
	})
	for issuer, want := range map[string]string{
		"/good": "", "/slash/": "", "/liar": "is of the issuer", "/plain": "allowed: https", "/file": "allowed: https", "/nothing": "allowed: https",
		"/page": "not JSON", "/moved": "redirects", "/none": "404",
	} {
		keys, _, err := fetch(context.Background(), newClient(nil), Spec{Issuer: s.URL + issuer, Algorithms: Algorithms})
		if want == "" && (err != nil || len(keys) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d keys, %v, want %q", issuer, len(keys), err, want)
		}
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		says(fmt.Sprintf(`{"issuer":"https://%s","jwks_uri":%q}`, s.Listener.Addr(), s.URL+"/keys"))(w, nil)
	}))
	defer secure.Close()
	client := newClient(secure.Client().Transport)
	if _, err := discover(context.Background(), client, secure.URL); err == nil || !strings.Contains(err.Error(), "is of the issuer") {
		t.Errorf("an issuer of another name: %v", err)
	}
}

// An issuer over https cannot name keys over http, not even of this machine.
func TestDiscoveryKeepsHTTPS(t *testing.T) {
	var secure *httptest.Server
	secure = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		says(fmt.Sprintf(`{"issuer":%q,"jwks_uri":"http://127.0.0.1/keys"}`, secure.URL))(w, nil)
	}))
	defer secure.Close()
	if _, err := discover(context.Background(), newClient(secure.Client().Transport), secure.URL); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("%v", err)
	}
}

func TestCheckURL(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://login.example.com/keys": true, "https://login.example.com/keys?tenant=a": true, "http://127.0.0.1:8/k": true, "http://[::1]:8/k": true, "http://localhost/k": true,
		"http://login.example.com/keys": false, "http://10.0.0.1/k": false, "file:///etc/passwd": false, "": false, "https://": false, "//host/k": false,
		"https://user:password@host/k": false, "https://host/k#part": false, "https:host": false, "http://127.0.0.1.example.com/": false, "ftp://localhost/": false, "https://ho st/": false,
	} {
		if err := CheckURL(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := (Spec{URL: "https://host/a/b?key=secret"}).Name(); got != "https://host/a/b" {
		t.Error(got)
	}
}
