// Package provider is an identity provider to try a node with: it publishes a key set and gives a token to everybody who
// asks. It has no users, no passwords and no state on disk. It is for one machine: who listens for it must bind it to loopback.
package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/engine/jwks"
)

// published is how many keys the set has: the one that signs and the one before, as providers do while tokens of the one
// before are still in use.
const published = 2

// usualLife is how long a token is valid unless it is asked for with another exp.
const usualLife = time.Hour

// Provider has the keys. All of it may be used by many goroutines.
type Provider struct {
	issuer string
	names  func(host string) bool

	mu   sync.Mutex
	keys []key // the newest first; at most published
}

type key struct {
	id     string
	secret *ecdsa.PrivateKey
}

// New creates a provider with one key. issuer is the URL at which clients reach it, without a / at its end. names says which
// hosts of requests are its own: a web page can make any other name resolve to this machine, and read the answers.
func New(issuer string, names func(host string) bool) (*Provider, error) {
	p := &Provider{issuer: issuer, names: names}
	_, err := p.rotate()
	return p, err
}

// rotate makes a new key, which signs from now on, and returns its id. The oldest key is forgotten.
func (p *Provider) rotate() (string, error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	k := key{id: rand.Text()[:8], secret: secret} // no number: after a restart it would be the name of another key
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = slices.Insert(p.keys, 0, k)
	p.keys = p.keys[:min(len(p.keys), published)]
	return k.id, nil
}

// Handler answers the requests.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.set)
	mux.HandleFunc("GET /token", p.token)
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" { // any page may send a form here
			http.Error(w, "a web page may not rotate the keys: use curl -X POST", http.StatusForbidden)
			return
		}
		id, err := p.rotate()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintf(w, "key %s signs from now on; the one before stays in the set until the next rotation\n", id)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.names(r.Host) {
			http.Error(w, "this host is not a name of the provider, and a web page may have made it resolve here: use the address", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// discovery is the document of OpenID Connect Discovery 1.0, section 3, as far as there is something to discover.
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": p.issuer, "jwks_uri": p.issuer + "/keys", "token_endpoint": p.issuer + "/token",
		"id_token_signing_alg_values_supported": []string{jwt.SigningMethodES256.Alg()},
	})
}

func (p *Provider) set(w http.ResponseWriter, _ *http.Request) {
	var keys []jwks.Key
	p.mu.Lock()
	for _, k := range p.keys {
		keys = append(keys, jwks.Key{ID: k.id, Alg: jwt.SigningMethodES256.Alg(), Public: &k.secret.PublicKey})
	}
	p.mu.Unlock()
	text, err := jwks.Format(keys...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(text)
}

// token answers with a token as text, so that a shell can use it. Each field of the query is a claim: sub, aud, and any other,
// whose value is JSON or else text. exp is how long it is valid.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	now, life := time.Now(), usualLife
	claims := jwt.MapClaims{}
	for name, values := range r.URL.Query() {
		if name == "exp" {
			var err error
			if life, err = time.ParseDuration(values[0]); err != nil {
				http.Error(w, fmt.Sprintf("exp: found %q, allowed: a duration, as in 90s or 1h; negative: it has expired", values[0]), http.StatusBadRequest)
				return
			}
			continue
		}
		claims[name] = claim(values[0])
	}
	if sub, _ := claims["sub"].(string); strings.TrimSpace(sub) == "" {
		http.Error(w, "sub: there is none, allowed: the name of a user, as in /token?sub=ann", http.StatusBadRequest)
		return
	}
	claims["iss"], claims["iat"], claims["exp"] = p.issuer, now.Unix(), now.Add(life).Unix()
	p.mu.Lock()
	k := p.keys[0]
	p.mu.Unlock()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = k.id
	signed, err := t.SignedString(k.secret)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, signed) // no newline: in the header of a CONNECT it would end the line
}

// claim is the value that a text means: a list, an object or a truth value, else the text itself. A number is text, since
// most that look like one are names.
func claim(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	switch value.(type) {
	case []any, map[string]any, bool:
		return value
	}
	return text
}
