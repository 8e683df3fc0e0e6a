package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/engine/jwks"
)

const issuer = "http://127.0.0.1:8082"

func ask(t *testing.T, h http.Handler, method, target string, want int) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, issuer+target, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != want {
		t.Fatalf("%s %s: %d %s %v, want %d", method, target, w.Code, body, err, want)
	}
	return string(body)
}

// keys are those of the set, as a node reads them.
func keys(t *testing.T, h http.Handler) []jwks.Key {
	t.Helper()
	all, passed, err := jwks.Parse([]byte(ask(t, h, "GET", "/keys", 200)), jwks.Algorithms)
	if err != nil || passed != 0 {
		t.Fatalf("%d passed over, %v", passed, err)
	}
	return all
}

// verifies says whether a key of the set verifies the token, and returns its claims.
func verifies(t *testing.T, h http.Handler, token string) (jwt.MapClaims, bool) {
	t.Helper()
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(tk *jwt.Token) (any, error) {
		for _, k := range keys(t, h) {
			if k.ID == tk.Header["kid"] {
				return k.Public, nil
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	}, jwt.WithIssuer(issuer), jwt.WithExpirationRequired())
	return claims, err == nil
}

func TestProvider(t *testing.T) {
	p, err := New(issuer, func(host string) bool { return host == "127.0.0.1:8082" })
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(ask(t, h, "GET", "/.well-known/openid-configuration", 200)), &document); err != nil || document.Issuer != issuer || document.Keys != issuer+"/keys" {
		t.Errorf("%+v, %v", document, err)
	}

	first := ask(t, h, "GET", "/token?sub=ann&aud=push&level=3&subscribe=%5B%22/topic/a%22%5D", 200)
	if strings.TrimSpace(first) != first {
		t.Errorf("%q is not the token alone, as a page puts it into a header", first)
	}
	claims, ok := verifies(t, h, first)
	end, _ := claims.GetExpirationTime()
	if list, _ := claims["subscribe"].([]any); !ok || claims["sub"] != "ann" || claims["aud"] != "push" || claims["level"] != "3" || !slices.Equal(list, []any{"/topic/a"}) ||
		end == nil || time.Until(end.Time) < 50*time.Minute {
		t.Errorf("%v: %v", ok, claims)
	}
	if _, ok := verifies(t, h, ask(t, h, "GET", "/token?sub=ann&exp=-1m", 200)); ok {
		t.Error("a token that has expired is valid")
	}
	if claims, ok := verifies(t, h, ask(t, h, "GET", "/token?sub=7&iss=http://other&iat=1", 200)); !ok || claims["sub"] != "7" || claims["iss"] != issuer || claims["iat"].(float64) < 1e9 {
		t.Errorf("the query replaces what the provider says: %v", claims)
	}

	// A rotation leaves the tokens of one key before.
	ask(t, h, "POST", "/rotate", 200)
	second := ask(t, h, "GET", "/token?sub=ann", 200)
	for _, token := range []string{first, second} {
		if _, ok := verifies(t, h, token); !ok {
			t.Error("after a rotation a token of the key before, or of the new one, is worth nothing")
		}
	}
	ask(t, h, "POST", "/rotate", 200)
	if _, ok := verifies(t, h, first); ok || len(keys(t, h)) != published {
		t.Error("the first key is still published after two rotations")
	}
	if _, ok := verifies(t, h, second); !ok {
		t.Error("the key before is not published after the second rotation")
	}
}

func TestProviderRefuses(t *testing.T) {
	p, err := New(issuer, func(host string) bool { return host == "127.0.0.1:8082" })
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	for target, want := range map[string]string{"/token": "sub: there is none", "/token?sub=": "sub: there is none", "/token?sub=ann&exp=soon": `exp: found "soon"`} {
		if got := ask(t, h, "GET", target, http.StatusBadRequest); !strings.Contains(got, want) {
			t.Errorf("%s: %s", target, got)
		}
	}
	ask(t, h, "GET", "/rotate", http.StatusMethodNotAllowed)   // any page's image could
	form := httptest.NewRequest("POST", issuer+"/rotate", nil) // and its form
	form.Header.Set("Origin", "https://evil.example")
	answer := httptest.NewRecorder()
	if h.ServeHTTP(answer, form); answer.Code != http.StatusForbidden {
		t.Errorf("a page rotates the keys: %d", answer.Code)
	}
	r := httptest.NewRequest("GET", "http://rebound.example.com/token?sub=ann", nil)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("a name of somebody's own is answered with %d", w.Code)
	}
}
