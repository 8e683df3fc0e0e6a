package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"stentor/engine/auth"
	"stentor/engine/destination"
	"stentor/engine/jwks"
)

// ProjectConfigs returns the projects in the order of their names, with the keys from the files that they name. The
// error is a Problems: it has the files that cannot be read, and whatever auth.NewProject finds wrong.
func (c *Config) ProjectConfigs() ([]auth.ProjectConfig, error) { return c.projectConfigs(nil) }

// projectConfigs is ProjectConfigs for a configuration with known mistakes, which it does not report again.
func (c *Config) projectConfigs(mistakes Problems) ([]auth.ProjectConfig, error) {
	v := newValidator(c)
	var all []auth.ProjectConfig
	for _, name := range c.ProjectNames() {
		known := len(v.problems)
		p := v.projectConfig(name, c.Projects[name])
		if len(v.problems) == known && !mistakes.below(join("projects", name)) {
			v.compile(p)
		}
		all = append(all, p)
	}
	return all, v.problems.err()
}

// AllAdminKeys returns admin_keys and those of admin_keys_file. The error is a Problems.
func (c *Config) AllAdminKeys() ([]string, error) {
	v := newValidator(c)
	all := v.withFile(c.AdminKeys, "admin_keys_file", c.AdminKeysFile)
	return all, v.problems.err()
}

// Join makes one error of several; some may be nil.
func Join(errs ...error) error {
	var all Problems
	for _, err := range errs {
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			return errors.Join(errs...)
		}
		all = append(all, problems...)
	}
	return all.err()
}

var (
	actions = map[string]auth.SendAction{"ignore": auth.Ignore, "push": auth.Push, "forward": auth.Forward, "deny": auth.Deny}
	styles  = map[string]destination.Style{"prefixed": destination.Prefixed, "plain": destination.Plain}
)

func (v *validator) projectConfig(name string, p *Project) auth.ProjectConfig {
	at := join("projects", name)
	a := auth.ProjectConfig{
		Name: name, APIKeys: v.withFile(p.APIKeys, at+".api_keys_file", p.APIKeysFile),
		Anonymous: p.Anonymous, Issuer: p.Issuer, Audience: p.Audience,
		UserClaims: p.UserClaims, SubscribeClaim: p.SubscribeClaim, CloseOnExpiry: p.TokenExpiry == "close",
		Style: styles[p.Destinations], Patterns: p.Patterns, Subscribe: p.Subscribe,
	}
	for i := range p.Keys {
		k, path := &p.Keys[i], item(at+".keys", i)
		if k.Provider() {
			a.Providers = append(a.Providers, provider(k))
			continue
		}
		one := auth.Key{ID: k.KID, Alg: k.Alg, Secret: []byte(k.Secret)}
		if k.File != "" {
			one.PEM = v.read(path+".file", k.File)
		}
		if k.SecretFile != "" {
			one.Secret = Secret(v.read(path+".secret_file", k.SecretFile))
			if n := len(one.Secret); n > 0 && n < minSecret {
				v.bad(path+".secret_file", "found a secret of %d bytes in %q, allowed: at least %d", n, k.SecretFile, minSecret)
			}
		}
		a.Keys = append(a.Keys, one)
	}
	for _, pattern := range sortedKeys(p.Send) {
		a.Send = append(a.Send, auth.SendRule{Pattern: pattern, Action: actions[p.Send[pattern]]})
	}
	return a
}

func provider(k *Key) jwks.Spec {
	spec := jwks.Spec{URL: k.JWKSURL, Issuer: k.IssuerURL, Algorithms: k.Algorithms}
	if len(spec.Algorithms) == 0 {
		spec.Algorithms = jwks.Algorithms
	}
	return spec
}

// compile reports what auth finds wrong with p; a problem of a key is reported at that key.
func (v *validator) compile(p auth.ProjectConfig) {
	at, prefix := join("projects", p.Name), fmt.Sprintf("project %q: ", p.Name)
	known := len(v.problems)
	n := 0
	for i := range v.Projects[p.Name].Keys {
		if v.Projects[p.Name].Keys[i].Provider() {
			continue
		}
		one := auth.ProjectConfig{Name: p.Name, Keys: p.Keys[n : n+1], Subscribe: []string{}}
		n++
		if _, err := auth.NewProject(one); err != nil {
			v.bad(item(at+".keys", i), "%s", strings.TrimPrefix(err.Error(), prefix+"keys: "))
		}
	}
	if _, err := auth.NewProject(p); err != nil && len(v.problems) == known {
		v.bad(at, "%s", strings.TrimPrefix(err.Error(), prefix))
	}
}

// Secret returns the secret in a file: its content without a newline at the end.
func Secret(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

const keyAllowed = "a key of visible ASCII characters without spaces"

// visible reports whether s can be a bearer key.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
