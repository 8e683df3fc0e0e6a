package browsers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/bench/machine/server"
	"stentor/engine/jwks"
	"stentor/stomp"
)

// provider is an identity provider: one key, and its set at URL.
type provider struct {
	secret  *ecdsa.PrivateKey
	set     []byte
	server  *http.Server
	url     string
	hanging atomic.Bool // it accepts, and never answers
	ended   chan struct{}
}

const kid = "bench"

func newProvider() (*provider, error) {
	p := &provider{ended: make(chan struct{})}
	var err error
	if p.secret, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if p.set, err = jwks.Format(jwks.Key{ID: kid, Alg: jwt.SigningMethodES256.Alg(), Public: &p.secret.PublicKey}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + l.Addr().String() + "/keys"
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(p.ended)
		_ = p.server.Serve(l)
	}()
	return p, nil
}

func (p *provider) close() {
	_ = p.server.Close()
	<-p.ended
}

// ServeHTTP answers with the set, or not at all.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.hanging.Load() {
		<-r.Context().Done()
		return
	}
	_, _ = w.Write(p.set)
}

// keys is the project's configuration that has the key from the provider.
func (p *provider) keys() string { return fmt.Sprintf("[{jwks_url: %q}]", p.url) }

// file is the one that has it from a file in dir.
func (p *provider) file(dir string) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&p.secret.PublicKey)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "provider.pub")
	err = os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
	return fmt.Sprintf("[{kid: %s, alg: ES256, file: %q}]", kid, name), err
}

// tokenLife is longer than any run.
const tokenLife = 6 * time.Hour

// tokens signs n tokens, each of a user of its own, ahead of time: a signature costs as much as a connection.
func (p *provider) tokens(n int, kid string) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": server.User(i), "exp": time.Now().Add(tokenLife).Unix()})
		t.Header["kid"] = kid
		var err error
		if all[i], err = t.SignedString(p.secret); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// headers are the CONNECT headers of clients with these tokens, in turn.
func headers(project string, tokens []string) func(int) ([]stomp.Header, error) {
	return func(number int) ([]stomp.Header, error) {
		return []stomp.Header{
			{Name: []byte("projectId"), Value: []byte(project)},
			{Name: []byte("token"), Value: []byte(tokens[number%len(tokens)])},
		}, nil
	}
}
