package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/engine/jwks"
)

type tokenFlags struct {
	alg, key, secretFile    string
	configFile, project     string
	kid, sub, iss, aud      string
	expiry                  time.Duration
	claims                  []string
	generate, force, asJSON bool
	jwks                    bool
}

func newTokenCmd() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token (JWT) to test with",
		Long: `Makes a token as your login service would, to test a project's keys. It is printed on standard output.

With a secret (HS256), given in a file or taken from a project of a configuration:

  stentor token --secret-file shop.secret --sub ann
  stentor token --config stentor.yaml --project shop --sub ann

With a private key (RS256, ES256 or EdDSA, as the key is), for an hour, and with a claim that narrows what the
session may subscribe to. Values of claims are JSON, or else text:

  stentor token --key shop.key.pem --kid a --sub ann --exp 1h --claim 'subscribe=["/topic/shop/news"]'

--generate first writes a new key: --key FILE gets the private one and FILE.pub the public one that the
configuration names; --secret-file gets a new secret:

  stentor token --generate --alg ES256 --key shop.key.pem --kid a --sub ann
  stentor token --generate --secret-file shop.secret --sub ann

--jwks prints the key set (JWKS) with the public key in place of a token: served by any web server, it stands in for
an identity provider (jwks_url of the configuration):

  stentor token --key shop.key.pem --kid a --jwks > keys.json

Use it:

  export STENTOR_TOKEN=$(stentor token --config stentor.yaml --project shop --sub ann)
  stentor sub --project shop /topic/shop/all /user/queue/orders`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.token(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.alg, "alg", "", "RS256, ES256, EdDSA or HS256 (default: by the key; for a new key pair ES256)")
	flags.StringVar(&f.key, "key", "", "PEM file with the private key")
	flags.StringVar(&f.secretFile, "secret-file", "", "file with the secret of HS256")
	flags.StringVar(&f.configFile, "config", "", "configuration to take secret, kid, issuer and audience of --project from")
	flags.StringVarP(&f.project, "project", "p", "", "project of --config")
	flags.StringVar(&f.kid, "kid", "", "kid of the key")
	flags.StringVar(&f.sub, "sub", "", "user name")
	flags.StringVar(&f.iss, "iss", "", "issuer")
	flags.StringVar(&f.aud, "aud", "", "audience")
	flags.DurationVar(&f.expiry, "exp", time.Hour, "time until it expires; 0: never, negative: it has expired")
	flags.StringArrayVar(&f.claims, "claim", nil, "another claim name=value (repeatable)")
	flags.BoolVar(&f.generate, "generate", false, "write a new key first")
	flags.BoolVar(&f.force, "force", false, "let --generate replace files")
	flags.BoolVar(&f.jwks, "jwks", false, "print the key set with the public key of --key, and no token")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON with the token, its header and its claims")
	return cmd
}

func (f *tokenFlags) token(cmd *cobra.Command) error {
	extra, err := pairs("claim", f.claims)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.generate {
		if err := f.write(cmd); err != nil {
			return err
		}
	}
	key, method, err := f.signer()
	if err != nil {
		return err
	}
	if f.jwks {
		set, err := jwks.Format(jwks.Key{ID: f.kid, Alg: method.Alg(), Public: key.(crypto.Signer).Public()})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), string(set))
		return err
	}
	now := time.Now()
	claims := jwt.MapClaims{"iat": now.Unix()}
	if f.expiry != 0 {
		claims["exp"] = now.Add(f.expiry).Unix()
	}
	for name, value := range map[string]string{"sub": f.sub, "iss": f.iss, "aud": f.aud} {
		if value != "" {
			claims[name] = value
		}
	}
	for _, kv := range extra {
		var value any = kv[1]
		_ = json.Unmarshal([]byte(kv[1]), &value) // what is not JSON stays text
		claims[kv[0]] = value
	}
	t := jwt.NewWithClaims(method, claims)
	if f.kid != "" {
		t.Header["kid"] = f.kid
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return err
	}
	if f.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"token": signed, "header": t.Header, "claims": claims})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), signed)
	return err
}

// check finds flags that exclude each other.
func (f *tokenFlags) check() error {
	sources := 0
	for _, s := range []string{f.key, f.secretFile, f.configFile} {
		if s != "" {
			sources++
		}
	}
	switch {
	case sources != 1:
		return usagef("give one of --key, --secret-file and --config")
	case (f.configFile == "") != (f.project == ""):
		return usagef("--config and --project go together")
	case f.jwks && f.key == "":
		return usagef("--jwks needs --key: a secret is never in a key set")
	case f.generate && f.configFile != "":
		return usagef("--generate needs --key or --secret-file")
	case f.alg == "", f.alg == "HS256" && f.key == "", f.key != "" && (f.alg == "RS256" || f.alg == "ES256" || f.alg == "EdDSA"):
		return nil
	case f.key != "":
		return usagef("--alg: found %q, allowed with --key: RS256, ES256, EdDSA", f.alg)
	}
	return usagef("--alg: found %q, allowed with a secret: HS256", f.alg)
}

// signer returns the key and how to sign with it. From a configuration it also takes kid, issuer and audience, unless
// a flag sets them.
func (f *tokenFlags) signer() (any, jwt.SigningMethod, error) {
	switch {
	case f.secretFile != "":
		secret, err := config.ReadFile(f.secretFile)
		return config.Secret(secret), jwt.SigningMethodHS256, err
	case f.configFile != "":
		return f.fromConfig()
	}
	text, err := config.ReadFile(f.key)
	if err != nil {
		return nil, nil, err
	}
	key, err := parsePrivateKey(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.key, err)
	}
	var method jwt.SigningMethod
	switch k := key.(type) {
	case *rsa.PrivateKey:
		method = jwt.SigningMethodRS256
	case ed25519.PrivateKey:
		method = jwt.SigningMethodEdDSA
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, nil, fmt.Errorf("%s: found an EC key on curve %s, allowed: P-256 (ES256)", f.key, k.Curve.Params().Name)
		}
		method = jwt.SigningMethodES256
	default:
		return nil, nil, fmt.Errorf("%s: found a key of type %T, allowed: RSA, EC P-256, Ed25519", f.key, key)
	}
	if f.alg != "" && f.alg != method.Alg() {
		return nil, nil, fmt.Errorf("%s: the key is for %s, not for %s", f.key, method.Alg(), f.alg)
	}
	return key, method, nil
}

func (f *tokenFlags) fromConfig() (any, jwt.SigningMethod, error) {
	cfg, err := config.Load(f.configFile, os.Environ(), nil)
	if err != nil {
		return nil, nil, err
	}
	projects, err := cfg.ProjectConfigs()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range projects {
		if p.Name != f.project {
			continue
		}
		for _, k := range p.Keys {
			if k.Alg != "HS256" || f.kid != "" && f.kid != k.ID {
				continue
			}
			f.kid = k.ID
			if f.iss == "" {
				f.iss = p.Issuer
			}
			if f.aud == "" {
				f.aud = p.Audience
			}
			return k.Secret, jwt.SigningMethodHS256, nil
		}
		return nil, nil, fmt.Errorf("%s: project %s has no such HS256 key; sign with a private key instead: --key", f.configFile, f.project)
	}
	return nil, nil, usagef("--project: found %q, allowed: %s", f.project, strings.Join(cfg.ProjectNames(), ", "))
}

// parsePrivateKey reads a PEM file in one of the common forms.
func parsePrivateKey(text []byte) (any, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			return x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "PUBLIC KEY":
			return nil, errors.New("this is a public key, which verifies; a token is signed with the private one")
		}
	}
	return nil, errors.New("there is no private key in PEM form in it")
}

const (
	rsaBits     = 2048
	publicEnd   = ".pub"
	secretBytes = 32
)

// write creates a new key or secret and prints what to put into the configuration.
func (f *tokenFlags) write(cmd *cobra.Command) error {
	kid := f.kid
	if kid == "" {
		kid = `""`
	}
	if f.secretFile != "" {
		secret := make([]byte, secretBytes)
		rand.Read(secret)
		if err := writeNew(f.secretFile, fmt.Appendf(nil, "%x\n", secret), 0o600, f.force); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s; for the configuration: keys: [{kid: %s, alg: HS256, secret_file: %s}]\n", f.secretFile, kid, f.secretFile)
		return nil
	}
	if f.alg == "" {
		f.alg = "ES256"
	}
	key, err := newPrivateKey(f.alg)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(f.key, "PRIVATE KEY", private, 0o600, f.force); err != nil {
		return err
	}
	// The node runs as another user and has to read it; it is no secret.
	if err := writePEM(f.key+publicEnd, "PUBLIC KEY", public, 0o644, f.force); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s and %s; for the configuration: keys: [{kid: %s, alg: %s, file: %s}]\n",
		f.key, f.key+publicEnd, kid, f.alg, f.key+publicEnd)
	return nil
}

func writePEM(name, kind string, der []byte, mode fs.FileMode, force bool) error {
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return err
	}
	return writeNew(name, b.Bytes(), mode, force)
}

func newPrivateKey(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256":
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
