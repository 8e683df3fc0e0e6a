package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stentor/bench/gen/result"
)

// What a server's process had used before the run is not the run's, and one that starts anew goes on counting.
func TestServersCPU(t *testing.T) {
	said := []struct{ cpu, used float64 }{{100, 0}, {103, 3}, {103, 3}, {2, 5}, {4, 7}}
	i := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "process_cpu_seconds_total %v\nprocess_resident_memory_bytes 1e6\nstentor_connections 7\n", said[i].cpu)
	}))
	defer s.Close()
	w := newWatcher([]string{s.URL})
	st := &stock{}
	st.before(bounded(t), w)
	if st.first == nil || *st.first != (result.Server{Connections: 7, RSS: 1e6}) || st.server != st.first {
		t.Fatalf("before the run: %+v", st.first)
	}
	for i = 1; i < len(said); i++ {
		if got := w.look(bounded(t)); got == nil || got.CPUSeconds != said[i].used {
			t.Errorf("look %d: %+v, want %v s", i, got, said[i].used)
		}
	}
}

// The run's end cuts off a look. The last second keeps the figures of the one before.
func TestLookThatIsCutOff(t *testing.T) {
	ctx, end := context.WithCancel(bounded(t))
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { end() }))
	defer s.Close()
	st := &stock{server: &result.Server{Connections: 7}}
	st.watch(ctx, newWatcher([]string{s.URL}))
	if st.server == nil || st.server.Connections != 7 {
		t.Errorf("%+v", st.server)
	}
}

// A run against a node says what the node used while it lasted, in the summary too.
func TestServerFigures(t *testing.T) {
	at := node(t)
	first := mostOf(runs(t, "broadcast", append(at, "--connections=100", "--open-rate=0", "--rate=200", "--duration=2s")...).Series)
	r := runs(t, "connect", append(at, "--connections=10", "--open-rate=0", "--hold=1s")...)
	if r.Before == nil || r.Before.RSS == 0 || r.Generators[0].BaseRSS == 0 {
		t.Fatalf("before the run: %+v, %+v", r.Before, r.Generators[0])
	}
	life, err := look(bounded(t), http.DefaultClient, strings.TrimPrefix(at[1], "--api=")+"/metrics")
	most := mostOf(r.Series)
	if err != nil || first == nil || most == nil || first.CPUSeconds == 0 || most.CPUSeconds+first.CPUSeconds > life.CPUSeconds {
		t.Errorf("%v: the first run %+v, the second %+v, and the process's life %+v", err, first, most, life)
	}
	var b bytes.Buffer
	if err := WriteSummary(&b, r); err != nil || !strings.Contains(b.String(), "of CPU during the run") {
		t.Errorf("%v\n%s", err, &b)
	}
}
