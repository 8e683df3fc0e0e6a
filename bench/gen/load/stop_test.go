package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"stentor/bench/gen/result"
	"stentor/bench/internal/fake"
)

// Who stops a run in the middle is not told that what was on its way was lost.
func TestStopped(t *testing.T) {
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancelCause(bounded(t))
	var taken atomic.Int64
	back := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { // hands nothing on
		if taken.Add(1) == 3 {
			stop(errors.New("a person has seen enough"))
		}
	}))
	defer back.Close()
	r, err := Run(ctx, parse(t, "broadcast", "--url=ws://"+s.Address().String()+"/ws", "--push-url="+back.URL, "--open-rate=0", "--connections=20", "--rate=100"), Output{})
	said := strings.Join(r.Verdict.Problems, "\n")
	if err == nil || r.Verdict.Good || r.Total().Order.Lost != 0 || !strings.Contains(said, "seen enough (messages in flight") || strings.Contains(said, "lost") {
		t.Errorf("%v, %+v: %s", err, r.Total(), said)
	}
}

// A back end that takes nothing is named while the run lasts, and in the verdict.
func TestPushesRefused(t *testing.T) {
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"title":"Service Unavailable","detail":"the bus is away"}`)
	}))
	defer back.Close()
	ctx, stop := context.WithCancelCause(bounded(t))
	out := Output{Each: func(phase string, all result.Totals, _ result.Second) {
		if phase == "settle" && all.PushesRetried > 0 {
			stop(errors.New("seen"))
		}
	}}
	r, err := Run(ctx, parse(t, "broadcast", "--url=ws://"+s.Address().String()+"/ws", "--push-url="+back.URL, "--open-rate=0", "--connections=20", "--rate=100", "--duration=100ms", "--settle=30s"), out)
	if err == nil || err.Error() != "seen" {
		t.Fatal(err)
	}
	want := "10 pushes were not accepted; the last answer is push: 503 Service Unavailable: the bus is away"
	if said := strings.Join(r.Verdict.Problems, "\n"); !strings.Contains(said, want) || r.Total().PushesRetried == 0 {
		t.Errorf("%s\nwant %s\n%+v", said, want, r.Total())
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		name   string
		totals result.Totals
		want   string
	}{
		{"connections alone", result.Totals{Opened: 5}, "good: every connection is open; no message was pushed\n"},
		{"messages", result.Totals{Opened: 5, Pushed: 1, Delivered: 5}, "good: every message arrived once, in order, at its recipients\n"},
	} {
		r := result.Result{Format: result.Format, Scenario: "x", Phases: []result.Phase{{Name: "open", Totals: c.totals}}}
		r.Judge()
		var b bytes.Buffer
		if err := WriteSummary(&b, &r); err != nil || !strings.HasSuffix(b.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, &b)
		}
	}
}
