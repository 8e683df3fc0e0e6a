package auth

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"stentor/engine/jwks"
)

const (
	maxToken      = 8 << 10
	maxUser       = 256
	maxKeyTries   = 4
	leewaySeconds = 30 // for nbf
)

// parser checks form and signature. Times and names are checked here: the library reads exp 0 as no exp, and gives exp the
// leeway that only nbf should have.
var parser = jwt.NewParser(
	jwt.WithValidMethods([]string{rs256, es256, edDSA, hs256}),
	jwt.WithJSONNumber(),
	jwt.WithoutClaimsValidation(),
)

// verified is what a token says, and what that depends on.
type verified struct {
	Identity
	index uint32 // of the project in its set
	keys  uint32 // version of the project's keys
}

// verify finds out who the token belongs to at the time now, in Unix seconds. named is the project that the client or the
// endpoint named, or "". When no key verifies it, old is a provider whose keys may be older than the token: it has not been
// asked since the client came, at the time asked.
func (s *set) verify(named, fallback, token string, asked time.Time, now int64) (v verified, err *Error, old *jwks.Source) {
	if len(token) > maxToken {
		return verified{}, errTokenLength, nil
	}
	claims := jwt.MapClaims{}
	var providers []*jwks.Source
	_, e := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		v.Project, v.index, err = s.choose(named, fallback, claims)
		if err != nil {
			return nil, err
		}
		if _, ok := t.Header["crit"]; ok {
			return nil, errTokenKey
		}
		v.keys = v.Project.keysVersion() // before they are read: what comes meanwhile makes it old
		providers = v.Project.providers(t.Method.Alg(), claims)
		return v.Project.keysFor(t, providers)
	})
	if e != nil {
		if err = refusalOf(e); err == errTokenKey || err == errSignature {
			old = olderThan(providers, asked)
		}
		return verified{}, err, old
	}
	if err := v.Project.check(&v.Identity, claims, now); err != nil {
		return verified{}, err, nil
	}
	return v, nil, nil
}

// refusalOf turns the library's error into one that may be shown.
func refusalOf(e error) *Error {
	var own *Error
	switch {
	case errors.As(e, &own):
		return own
	case errors.Is(e, jwt.ErrTokenMalformed):
		return errTokenForm
	case errors.Is(e, jwt.ErrTokenUnverifiable):
		return errTokenKey
	}
	return errSignature
}

// choose finds the project whose keys have to verify the token. The issuer is not verified yet: it only says where to
// look, and whether that contradicts what was named.
func (s *set) choose(named, fallback string, claims jwt.MapClaims) (*Project, uint32, *Error) {
	var issued *Project
	if issuer, ok := claims["iss"].(string); ok {
		issued = s.byIssuer[issuer]
	}
	switch {
	case named == "" && issued != nil:
		named = issued.name
	case named == "" && fallback == "":
		return nil, 0, errNoProject
	case named == "":
		named = fallback
	case issued != nil && issued.name != named:
		return nil, 0, errTwoProjects
	}
	project, index := s.get(named)
	if project == nil {
		return nil, 0, errWhichProject
	}
	return project, index, nil
}

// keysFor returns the keys that may have signed the token, those of providers among them. All are of the algorithm that its
// header names.
func (p *Project) keysFor(t *jwt.Token, providers []*jwks.Source) (any, error) {
	kid := ""
	if v, ok := t.Header["kid"]; ok {
		if kid, ok = v.(string); !ok {
			return nil, errTokenForm
		}
	}
	var named, unnamed []jwt.VerificationKey
	consider := func(id, alg string, material any) {
		switch {
		case alg != t.Method.Alg():
		case kid == "" || id == kid:
			named = append(named, material)
		case id == "":
			unnamed = append(unnamed, material)
		}
	}
	for i := range p.keys {
		consider(p.keys[i].id, p.keys[i].alg, p.keys[i].material)
	}
	for _, source := range providers {
		if set := source.Set(); set != nil {
			for i := range set.Keys {
				consider(set.Keys[i].ID, set.Keys[i].Alg, set.Keys[i].Public)
			}
		}
	}
	if len(named) == 0 {
		named = unnamed
	}
	if len(named) == 0 {
		return nil, errTokenKey
	}
	return jwt.VerificationKeySet{Keys: named[:min(len(named), maxKeyTries)]}, nil
}

// check reads the claims of a token that the project's key has signed.
func (p *Project) check(id *Identity, claims jwt.MapClaims, now int64) *Error {
	if exp, ok := claims["exp"]; ok {
		if id.Expires, ok = seconds(exp); !ok {
			return errTokenTime
		}
		if now >= id.Expires {
			return errExpired
		}
	}
	if nbf, ok := claims["nbf"]; ok {
		from, ok := seconds(nbf)
		if !ok {
			return errTokenTime
		}
		if now < from-leewaySeconds {
			return errNotYet
		}
	}
	if iss, _ := claims["iss"].(string); p.issuer != "" && iss != p.issuer {
		return errIssuer
	}
	if p.audience != "" && !p.isAudience(claims["aud"]) {
		return errAudience
	}
	var ok bool
	if id.User, ok = p.user(claims); !ok {
		return errUser
	}
	if claim, narrowed := claims[p.subscribeClaim]; narrowed {
		if id.Grant = p.grant(claim); id.Grant == nil {
			return errSubscribe
		}
	}
	return nil
}

func (p *Project) isAudience(aud any) bool {
	list, _ := stringList(aud)
	for _, a := range list {
		if a == p.audience {
			return true
		}
	}
	return false
}

// seconds reads a NumericDate (RFC 7519, 2), which may have a fraction.
func seconds(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil {
		return 0, false
	}
	return int64(math.Floor(min(max(f, -maxSeconds), maxSeconds))), true
}

// maxSeconds is far beyond any date, exact as a float64, and leaves room to count with.
const maxSeconds = 1 << 52

// user reads the user's name: the first of the claims that is present. It is "" when none is, or when that one is empty.
func (p *Project) user(claims jwt.MapClaims) (string, bool) {
	for _, name := range p.userClaims {
		switch v := claims[name].(type) {
		case nil:
		case string:
			return v, goodUser(v)
		case json.Number:
			return string(v), len(v) <= maxUser && !strings.ContainsAny(string(v), ".eE")
		default:
			return "", false
		}
	}
	return "", true
}

// goodUser refuses U+FFFD as well, since that is what is left of a name that was not UTF-8.
func goodUser(name string) bool {
	return len(name) <= maxUser && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r)
	})
}
