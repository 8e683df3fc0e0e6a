package e2e

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"stentor/engine/testkit"
	"stentor/stomp"
)

// TestProviders: keys come from an identity provider. One that is away keeps no node from starting, and its project's clients
// are told to come back, with none of the words after which some never do; a token that none of a provider's keys verifies is
// refused once the provider was asked.
func TestProviders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	run := func(args ...string) string {
		t.Helper()
		out, err := testkit.Command(append([]string{"token", "--key", file, "--kid", "a"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	set := run("--generate", "--jwks")
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keys" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(set))
	}))
	defer provider.Close()
	s := start(t, setup{Config: shop + "  there: {audience: push, keys: [{jwks_url: \"" + provider.URL + "/keys?secret=1\"}]}\n" +
		"  away: {audience: push, keys: [{jwks_url: \"" + provider.URL + "/away\"}]}\n"})
	token := run("--sub", "ann", "--aud", "push")
	there := s.join(t, "projectId", "there", "token", token)
	there.subscribe("a", "/topic/there/all")
	for range 2 {
		away := s.greet(t)
		away.sendConnect("projectId", "away", "token", token)
		away.wantClose(1013)
	}
	wrong := s.greet(t)
	wrong.sendConnect("projectId", "there", "token", s.Token(t, "shop", "ann", "--aud", "push"))
	wrong.wantError("auth", "Failed to send message", 1002)
	s.join(t, "token", s.Token(t, "shop", "ann"))
	name := strings.Split(provider.URL, "?")[0]
	s.wantMetric(t, `stentor_keys_known{provider="`+name+`/keys"}`, 1)
	s.wantMetric(t, `stentor_keys_known{provider="`+name+`/away"}`, 0)
	s.wantMetric(t, `stentor_refusals_total{reason="token_provider",stage="connect"}`, 2)
	there.must(there.send(stomp.Disconnect, nil))
}
