package load

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"stentor/bench/gen/result"
	"stentor/bench/internal/fake"
)

// backEnd hands pushes to the fake server but for those whose number bad says, which it refuses for good. Its URL takes the
// templates of toBackEnd.
func backEnd(t *testing.T, s *fake.Server, bad func(nth int) bool) string {
	t.Helper()
	api, nth := s.API("key"), 0
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if nth++; bad(nth) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, `{"detail":"no"}`, http.StatusBadRequest)
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b.URL
}

func listen(t *testing.T) *fake.Server {
	t.Helper()
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// toBackEnd are the flags of a small run against s that pushes through back.
func toBackEnd(s *fake.Server, back string) []string {
	return []string{"--url=ws://" + s.Address().String() + "/ws", "--open-rate=0", "--connections=20", "--rate=20", "--duration=500ms", "--settle=300ms", "--lanes=1",
		"--push-url=" + back + "/v1/projects/{{.Project}}/push", "--push-header=Authorization=Bearer key", `--push-body={"topic":"{{.Destination}}","payload":{{.Payload}}}`}
}

// A push that the server refuses is one failure, and no message that was lost at each connection.
func TestRefusedPushesAreNotLost(t *testing.T) {
	for name, bad := range map[string]func(int) bool{
		"in the middle": func(n int) bool { return n == 4 || n == 5 },
		"at the end":    func(n int) bool { return n >= 9 },
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t)
			r := runs(t, "broadcast", toBackEnd(s, backEnd(t, s, bad))...)
			if want := []string{"2 pushes failed: push: 400 Bad Request: no"}; !slices.Equal(r.Verdict.Problems, want) || r.Total().Order.Lost != 0 || r.Total().Delivered != 8*20 {
				t.Errorf("%v, %+v, want %v", r.Verdict.Problems, r.Total(), want)
			}
		})
	}
}

// What the server lost beside them still is.
func TestLostBesideRefused(t *testing.T) {
	s := listen(t)
	s.Break(fake.Lose, 4) // of those that it got
	r := runs(t, "broadcast", toBackEnd(s, backEnd(t, s, func(n int) bool { return n == 4 }))...)
	if !slices.Contains(r.Verdict.Problems, "1 messages lost") || r.Total().Order.Lost != 1 {
		t.Errorf("%v, %+v", r.Verdict.Problems, r.Total())
	}
}

// The summary says a cause once.
func TestCauseIsSaidOnce(t *testing.T) {
	const cause = "ERROR: who are you"
	r := result.Result{Format: result.Format, Phases: []result.Phase{{Totals: result.Totals{Failures: map[string]int64{cause: 3, "slow: gone": 2}}}}}
	r.Judge("3 times a connection did not open or was ended by the server: 3 " + cause)
	var b bytes.Buffer
	if err := WriteSummary(&b, &r); err != nil || strings.Count(b.String(), cause) != 1 || !strings.Contains(b.String(), "2 slow: gone") {
		t.Errorf("%v\n%s", err, &b)
	}
}
