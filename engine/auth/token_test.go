package auth

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// noon is the time in these tests.
const noon = 1_800_000_000

func signWith(t testing.TB, method jwt.SigningMethod, private any, header map[string]any, claims any) string {
	t.Helper()
	payload, raw := claims.(string)
	if !raw {
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		payload = string(b)
	}
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := method.Sign(text, private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func mustSet(t testing.TB, projects ...*Project) *set {
	t.Helper()
	ps, err := NewProjects(projects, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ps.current.Load()
}

// verdict verifies for project a, and checks what holds for each error.
func verdict(t testing.TB, s *set, token string) (Identity, *Error) {
	t.Helper()
	v, err, _ := s.verify("a", "", token, time.Time{}, noon)
	checkError(t, err, token)
	return v.Identity, err
}

func checkError(t testing.TB, err *Error, token string) {
	t.Helper()
	if err == nil {
		return
	}
	if (err.Code == CodeAuth || err.Code == CodeExpired) && !strings.HasPrefix(err.Text, "Failed to send message") {
		t.Errorf("%q: clients look for other words", err.Text)
	}
	if strings.ContainsAny(err.Text, ":\\\r\n") {
		t.Errorf("%q: needs escaping", err.Text)
	}
	if len(token) > 10 && strings.Contains(err.Text, token) {
		t.Error("an error shows the token")
	}
}

func TestVerifyAlgorithms(t *testing.T) {
	for alg, s := range signers() {
		set := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{s.key("k")}}))
		token := s.sign(t, "k", jwt.MapClaims{"sub": "bob", "exp": noon + 60})
		id, err := verdict(t, set, token)
		if err != nil || id.User != "bob" || id.Expires != noon+60 || id.Project != set.list[0] || id.Grant != nil {
			t.Errorf("%s: %+v, %v", alg, id, err)
		}
		// One bit of each part turned around.
		for part := range 3 {
			parts := strings.Split(token, ".")
			b, _ := base64.RawURLEncoding.DecodeString(parts[part])
			b[len(b)/2] ^= 1
			parts[part] = base64.RawURLEncoding.EncodeToString(b)
			if _, err := verdict(t, set, strings.Join(parts, ".")); err == nil {
				t.Errorf("%s: part %d may be changed", alg, part)
			}
		}
		for _, cut := range []string{"", ".", "..", "...", token + ".", token + ".x", token[:len(token)-2],
			token[:strings.LastIndexByte(token, '.')], token[:strings.LastIndexByte(token, '.')+1], token + "=", "Bearer " + token} {
			if _, err := verdict(t, set, cut); err == nil {
				t.Errorf("%s: %q is accepted", alg, cut)
			}
		}
	}
}

// TestAlgorithmConfusion has the attacks on verifiers that let the token say how it is to be verified.
func TestAlgorithmConfusion(t *testing.T) {
	all := signers()
	var keys []Key
	for alg, s := range all {
		keys = append(keys, s.key(alg))
	}
	set := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: keys}))
	claims := jwt.MapClaims{"sub": "mallory", "exp": noon + 60}
	refuse := func(name string, method jwt.SigningMethod, private any, header map[string]any) {
		t.Helper()
		id, err := verdict(t, set, signWith(t, method, private, header, claims))
		if err == nil || err.Code != CodeAuth || id != (Identity{}) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	for _, alg := range []string{rs256, es256, edDSA} {
		der := func() []byte { k, _ := parseKey(all[alg].key("")); return publicPEM(k.material.(crypto.PublicKey)) }()
		for _, kid := range []any{alg, hs256, "", "unknown", nil} {
			header := map[string]any{"alg": hs256, "kid": kid}
			if kid == nil {
				delete(header, "kid")
			}
			refuse("public key of "+alg+" as the secret", jwt.SigningMethodHS256, der, header)
			refuse("public key of "+alg+" as the secret", jwt.SigningMethodHS256, []byte(strings.TrimSpace(string(der))), header)
		}
	}
	for alg, s := range all {
		for other := range all {
			if other != alg {
				refuse(alg+" as "+other, jwt.GetSigningMethod(alg), s.private, map[string]any{"alg": other, "kid": alg})
				refuse(alg+" as "+other, jwt.GetSigningMethod(alg), s.private, map[string]any{"alg": alg, "kid": other})
			}
		}
	}
	for _, alg := range []string{"none", "None", "NONE", "", "hs256"} {
		refuse("alg "+alg, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"alg": alg})
		refuse("alg "+alg, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"alg": alg, "kid": rs256})
	}
	refuse("no alg", jwt.SigningMethodHS256, all[hs256].private, map[string]any{"kid": hs256})
	refuse("alg of another type", jwt.SigningMethodHS256, all[hs256].private, map[string]any{"alg": 1, "kid": hs256})
	refuse("RS512", jwt.SigningMethodRS512, all[rs256].private, map[string]any{"alg": "RS512", "kid": rs256})
	refuse("PS256", jwt.SigningMethodPS256, all[rs256].private, map[string]any{"alg": "PS256", "kid": rs256})
	refuse("HS512", jwt.SigningMethodHS512, all[hs256].private, map[string]any{"alg": "HS512", "kid": hs256})
	refuse("crit", jwt.SigningMethodHS256, all[hs256].private, map[string]any{"alg": hs256, "kid": hs256, "crit": []string{"b64"}, "b64": false})
	refuse("kid of another type", jwt.SigningMethodHS256, all[hs256].private, map[string]any{"alg": hs256, "kid": 1})
	refuse("empty secret", jwt.SigningMethodHS256, []byte{}, map[string]any{"alg": hs256, "kid": hs256})
}

func TestKeySelection(t *testing.T) {
	one, two, three := newHMAC(), newHMAC(), newHMAC()
	ec := signers()[es256]
	claims := jwt.MapClaims{"sub": "bob"}
	var many []Key
	for range maxKeyTries {
		many = append(many, newHMAC().key(""))
	}
	for _, c := range []struct {
		name  string
		keys  []Key
		token string
		ok    bool
	}{
		{"by kid", []Key{one.key("1"), two.key("2")}, two.sign(t, "2", claims), true},
		{"by another kid", []Key{one.key("1"), two.key("2")}, two.sign(t, "1", claims), false},
		{"by an unknown kid", []Key{one.key("1"), two.key("2")}, two.sign(t, "3", claims), false},
		{"by an unknown kid to a key without", []Key{one.key("1"), two.key("")}, two.sign(t, "3", claims), true},
		{"by a known kid, key without", []Key{one.key("1"), two.key("")}, two.sign(t, "1", claims), false},
		{"no kid, one fits", []Key{one.key("1"), ec.key("2")}, ec.sign(t, "", claims), true},
		{"no kid, several fit", []Key{one.key("1"), two.key("2"), three.key("3")}, three.sign(t, "", claims), true},
		{"no kid, none fits", []Key{ec.key("2")}, one.sign(t, "", claims), false},
		{"the fourth", append(many[:3:3], one.key("")), one.sign(t, "", claims), true},
		{"the fifth", append(many[:4:4], one.key("")), one.sign(t, "", claims), false},
	} {
		set := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: c.keys}))
		if _, err := verdict(t, set, c.token); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestClaims(t *testing.T) {
	key := newHMAC()
	plain := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	strict := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}, Issuer: "me", Audience: "push"}))
	custom := mustSet(t, mustProject(t, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}, UserClaims: []string{"uid", "mail"}, SubscribeClaim: "topics"}))
	long := strings.Repeat("u", maxUser)
	for _, c := range []struct {
		set     *set
		payload string
		err     *Error
		user    string
		expires int64
	}{
		// exp and nbf
		{plain, `{"sub":"bob"}`, nil, "bob", 0},
		{plain, `{"sub":"bob","exp":1800000001}`, nil, "bob", noon + 1},
		{plain, `{"sub":"bob","exp":1800000000.5}`, errExpired, "", 0},
		{plain, `{"sub":"bob","exp":1.8000001e9}`, nil, "bob", noon + 100},
		{plain, `{"sub":"bob","exp":1800000000}`, errExpired, "", 0},
		{plain, `{"sub":"bob","exp":0}`, errExpired, "", 0},
		{plain, `{"sub":"bob","exp":-1}`, errExpired, "", 0},
		{plain, `{"sub":"bob","exp":99999999999999999999}`, nil, "bob", maxSeconds},
		{plain, `{"sub":"bob","exp":1e400}`, errTokenTime, "", 0},
		{plain, `{"sub":"bob","exp":"1800000001"}`, errTokenTime, "", 0},
		{plain, `{"sub":"bob","exp":null}`, errTokenTime, "", 0},
		{plain, `{"sub":"bob","nbf":1800000030}`, nil, "bob", 0},
		{plain, `{"sub":"bob","nbf":1800000031}`, errNotYet, "", 0},
		{plain, `{"sub":"bob","nbf":"x"}`, errTokenTime, "", 0},
		{plain, `{"sub":"bob","iat":9900000000}`, nil, "bob", 0},
		// users
		{plain, `{}`, nil, "", 0},
		{plain, `null`, nil, "", 0},
		{plain, `{"sub":"","userName":"bob"}`, nil, "", 0},
		{plain, `{"sub":null,"userName":"bob"}`, nil, "bob", 0},
		{plain, `{"sub":"alice","userName":"bob"}`, nil, "alice", 0},
		{plain, `{"sub":42}`, nil, "42", 0},
		{plain, `{"sub":12345678901234567890}`, nil, "12345678901234567890", 0},
		{plain, `{"sub":-7}`, nil, "-7", 0},
		{plain, `{"sub":4.2}`, errUser, "", 0},
		{plain, `{"sub":1e3}`, errUser, "", 0},
		{plain, `{"sub":1` + strings.Repeat("0", maxUser) + `}`, errUser, "", 0},
		{plain, `{"sub":true,"userName":"bob"}`, errUser, "", 0},
		{plain, `{"sub":["bob"]}`, errUser, "", 0},
		{plain, `{"sub":"` + long + `"}`, nil, long, 0},
		{plain, `{"sub":"` + long + `u"}`, errUser, "", 0},
		{plain, `{"sub":"a\nb"}`, errUser, "", 0},
		{plain, `{"sub":"a\u0000"}`, errUser, "", 0},
		{plain, `{"sub":"a\u0085"}`, errUser, "", 0},
		{plain, `{"sub":"a\ud800"}`, errUser, "", 0},
		{plain, "{\"sub\":\"a\xff\"}", errUser, "", 0},
		{plain, `{"sub":"张三 *"}`, nil, "张三 *", 0},
		{custom, `{"sub":"x","mail":"bob"}`, nil, "bob", 0},
		{custom, `{"sub":"x"}`, nil, "", 0},
		// form
		{plain, `[]`, errTokenForm, "", 0},
		{plain, `"x"`, errTokenForm, "", 0},
		{plain, `{"sub":`, errTokenForm, "", 0},
		{plain, ``, errTokenForm, "", 0},
		// issuer and audience
		{strict, `{"iss":"me","aud":"push"}`, nil, "", 0},
		{strict, `{"iss":"me","aud":["x","push"]}`, nil, "", 0},
		{strict, `{"iss":"me","aud":["x"]}`, errAudience, "", 0},
		{strict, `{"iss":"me","aud":[1,"push"]}`, errAudience, "", 0},
		{strict, `{"iss":"me"}`, errAudience, "", 0},
		{strict, `{"iss":"you","aud":"push"}`, errIssuer, "", 0},
		{strict, `{"iss":["me"],"aud":"push"}`, errIssuer, "", 0},
		{strict, `{"aud":"push"}`, errIssuer, "", 0},
		// subscribe
		{plain, `{"subscribe":"/topic/a/x"}`, nil, "", 0},
		{plain, `{"subscribe":null}`, errSubscribe, "", 0},
		{plain, `{"subscribe":["/topic/a/x",1]}`, errSubscribe, "", 0},
		{custom, `{"subscribe":1}`, nil, "", 0},
		{custom, `{"topics":1}`, errSubscribe, "", 0},
	} {
		id, err := verdict(t, c.set, key.sign(t, "k", c.payload))
		if err != c.err || id.User != c.user || id.Expires != c.expires {
			t.Errorf("%.60s: %+v, %v", c.payload, id, err)
		}
	}
	id, err := verdict(t, plain, key.sign(t, "k", `{"sub":"bob","subscribe":["/topic/a/{user}/**"]}`))
	if err != nil || !id.Project.MaySubscribe(id.User, id.Grant, "/topic/a/bob/x") || id.Project.MaySubscribe(id.User, id.Grant, "/topic/a/x") {
		t.Errorf("not narrowed: %+v, %v", id, err)
	}
	if _, err := verdict(t, plain, strings.Repeat("a", maxToken+1)); err != errTokenLength {
		t.Error(err)
	}
}

// TestProjectsAreApart shows tokens of one project to another, which even has a key of the same name.
func TestProjectsAreApart(t *testing.T) {
	for alg := range signers() {
		var a, b *signer
		switch alg {
		case rs256:
			a, b = newRSA(2048), newRSA(2048)
		case es256:
			a, b = newECDSA(ecCurve), newECDSA(ecCurve)
		case edDSA:
			a, b = newEd25519(), newEd25519()
		case hs256:
			a, b = newHMAC(), newHMAC()
		}
		set := mustSet(t,
			mustProject(t, ProjectConfig{Name: "a", Keys: []Key{a.key("k")}, Issuer: "issuer-a", Anonymous: true}),
			mustProject(t, ProjectConfig{Name: "b", Keys: []Key{b.key("k")}, Issuer: "issuer-b", Anonymous: true}))
		for _, kid := range []string{"k", ""} {
			token := a.sign(t, kid, jwt.MapClaims{"sub": "bob", "iss": "issuer-a"})
			lie := a.sign(t, kid, jwt.MapClaims{"sub": "bob", "iss": "issuer-b"})
			for _, c := range []struct {
				named, fallback, token string
				err                    *Error
				project                string
			}{
				{"a", "", token, nil, "a"},
				{"", "", token, nil, "a"},
				{"", "b", token, nil, "a"},
				{"b", "", token, errTwoProjects, ""},
				{"c", "", token, errTwoProjects, ""},
				{"b", "", lie, errSignature, ""},
				{"", "", lie, errSignature, ""},
				{"a", "", lie, errTwoProjects, ""},
			} {
				v, err, _ := set.verify(c.named, c.fallback, c.token, time.Time{}, noon)
				if err != c.err || err == nil && v.Project.name != c.project {
					t.Errorf("%s for %q: %+v, %v", alg, c.named, v, err)
				}
			}
		}
	}
}

func TestChooseByIssuer(t *testing.T) {
	key := newHMAC()
	same := func(name, issuer string) *Project {
		return mustProject(t, ProjectConfig{Name: name, Keys: []Key{key.key("k")}, Issuer: issuer})
	}
	set := mustSet(t, same("a", "shared"), same("b", "shared"), same("c", "own"), same("d", ""))
	for _, c := range []struct {
		named, fallback, iss string
		err                  *Error
		project              string
	}{
		{"", "", "own", nil, "c"},
		{"", "", "shared", errNoProject, ""}, // of two projects
		{"", "b", "shared", nil, "b"},
		{"b", "", "shared", nil, "b"},
		{"", "", "unknown", errNoProject, ""},
		{"", "d", "unknown", nil, "d"},
		{"", "a", "unknown", errIssuer, ""},
		{"d", "", "own", errTwoProjects, ""}, // the same key, and still another project's
		{"e", "", "unknown", errWhichProject, ""},
		{"", "e", "unknown", errWhichProject, ""},
	} {
		v, err, _ := set.verify(c.named, c.fallback, key.sign(t, "k", jwt.MapClaims{"iss": c.iss}), time.Time{}, noon)
		if err != c.err || err == nil && v.Project.name != c.project {
			t.Errorf("named %q, default %q, issuer %q: %+v, %v", c.named, c.fallback, c.iss, v, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	var keys []Key
	signed := map[string]bool{}
	for alg, s := range signers() {
		keys = append(keys, s.key(alg))
		token := s.sign(f, alg, jwt.MapClaims{"sub": "bob", "exp": noon + 60})
		signed[token[:strings.LastIndexByte(token, '.')]] = true
		f.Add(token)
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ.bnVsbA.AA")
	set := mustSet(f, mustProject(f, ProjectConfig{Name: "a", Keys: keys}))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := verdict(t, set, token); err == nil && !signed[token[:strings.LastIndexByte(token, '.')]] {
			t.Fatalf("accepted %q", token)
		}
	})
}

func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"sub":"bob","exp":1800000001,"nbf":1,"subscribe":["/a/{user}"]}`, `{"sub":1e5}`, `{"exp":-0.0}`, `{"sub":"\ud800"}`, `null`} {
		f.Add(s)
	}
	key := newHMAC()
	set := mustSet(f, mustProject(f, ProjectConfig{Name: "a", Keys: []Key{key.key("k")}}))
	f.Fuzz(func(t *testing.T, payload string) {
		id, err := verdict(t, set, key.sign(t, "k", payload))
		if err != nil {
			return
		}
		if len(id.User) > maxUser || !utf8.ValidString(id.User) || strings.ContainsFunc(id.User, unicode.IsControl) {
			t.Fatalf("user %q", id.User)
		}
		if id.Expires != 0 && id.Expires <= noon {
			t.Fatalf("expired at %d", id.Expires)
		}
		if id.Grant != nil && len(id.Grant.rules) > maxGrantRules {
			t.Fatalf("%d rules", len(id.Grant.rules))
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{rs256, es256, edDSA, hs256} {
		s := signers()[alg]
		set := mustSet(b, mustProject(b, ProjectConfig{Name: "a", Keys: []Key{s.key("k")}}))
		token := s.sign(b, "k", jwt.MapClaims{"sub": "bob", "exp": noon + 60, "iss": "https://id.example.com/", "aud": "push", "iat": noon})
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err, _ := set.verify("a", "", token, time.Time{}, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
