package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/result"
	"stentor/engine/testkit"
)

// hosts runs testdata/hosts.sh, and returns the folder with what it has found.
func hosts(t *testing.T) (dir string) {
	t.Helper()
	try := "mount -t tmpfs none /run && ip link add lan type bridge && ip netns add one && ip link add to-one type veth peer name eth0 netns one && ip netns exec one unshare -u true"
	if out, err := exec.Command("unshare", "-n", "-m", "sh", "-c", try).CombinedOutput(); err != nil {
		testkit.Missing(t, "network namespaces cannot be made here (as root, with iproute2, which tuning/deps.sh installs): "+err.Error()+" "+string(out))
	}
	dir = t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "stentor/cmd/stentor", "stentor/cmd/stentor-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// With a namespace of processes as well, all of them end with the script.
	c := exec.CommandContext(ctx, "unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "testdata/hosts.sh",
		filepath.Join(dir, "stentor"), filepath.Join(dir, "stentor-bench"), dir)
	c.WaitDelay = 10 * time.Second
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if t.Failed() {
		for _, name := range []string{"server", "one", "two", "merged", "cut", "after"} {
			text, _ := os.ReadFile(filepath.Join(dir, name+".log")) // it may not have come so far
			t.Logf("%s:\n%s", name, text)
		}
		t.FailNow()
	}
	return dir
}

// found reads the result of a run and its exit status.
func found(t *testing.T, dir, name string) (r result.Result, status string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(dir, name+".status"))
	if err != nil {
		t.Fatal(err)
	}
	return r, strings.TrimSpace(string(said))
}

// Two generators on hosts of their own make one load and one report; one whose host is cut off makes the verdict bad, holds
// nobody up, and can be used again.
func TestAgentsOnHosts(t *testing.T) {
	dir := hosts(t)

	r, status := found(t, dir, "merged")
	all, latencies := r.Total(), int64(0)
	for _, p := range r.Phases {
		h, err := p.Latency.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if n := h.Summary().Count; n != p.Latency.Count {
			t.Errorf("%s: %d latencies in the histogram, %d are said", p.Name, n, p.Latency.Count)
		}
		latencies += p.Latency.Count
	}
	if status != "0" || !r.Verdict.Good || all.Pushed != 80 || all.Delivered != 80*300 || latencies != all.Delivered || all.Opened != 380 || all.Resumed != 160 {
		t.Errorf("status %s, %v: %+v, %d latencies", status, r.Verdict.Problems, all, latencies)
	}
	if len(r.Generators) != 2 || r.Generators[0].Host != "one (10.90.0.11:7070)" || r.Generators[1].Host != "two (10.90.0.21:7070)" ||
		r.Generators[0].Connections != 150 || r.Generators[1].Connections != 150 {
		t.Errorf("%+v", r.Generators)
	}
	most := 0
	for _, s := range r.Series {
		most = max(most, s.Connected)
		if s.Server != nil && int64(s.Server.Connections) > all.Opened { // some may be on their way out
			t.Errorf("the server's %d connections are counted twice", s.Server.Connections)
		}
	}
	if most != 300 {
		t.Errorf("at most %d were connected at a time", most)
	}
	page, err := os.ReadFile(filepath.Join(dir, "merged.html"))
	if err != nil || !strings.Contains(string(page), "two (10.90.0.21:7070)") {
		t.Errorf("%v: a generator is not in the report", err)
	}
	from(t, dir)

	r, status = found(t, dir, "cut")
	if said := strings.Join(r.Verdict.Problems, "\n"); status != "1" || r.Verdict.Good || !strings.Contains(said, "agent 10.90.0.21:7070: lost: no message from it for 15s") {
		t.Errorf("status %s, %s", status, said)
	}
	if len(r.Generators) != 1 || r.Total().Opened != 150 {
		t.Errorf("what the other one has found is not there: %+v, %+v", r.Generators, r.Total())
	}
	if r, status = found(t, dir, "after"); status != "0" || !r.Verdict.Good || r.Total().Delivered != 20*300 {
		t.Errorf("status %s, %v: %+v", status, r.Verdict.Problems, r.Total())
	}
}

// from checks that the connections came from both addresses of both hosts.
func from(t *testing.T, dir string) {
	t.Helper()
	text, err := os.Open(filepath.Join(dir, "sessions.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	count := map[string]int{}
	for d := json.NewDecoder(text); d.More(); {
		var s struct{ Address string }
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		address, _, _ := strings.Cut(s.Address, ":")
		count[address]++
	}
	for _, address := range []string{"10.90.0.11", "10.90.0.12", "10.90.0.21", "10.90.0.22"} {
		if count[address] < 50 {
			t.Errorf("%d connections came from %s: %v", count[address], address, count)
		}
	}
}
