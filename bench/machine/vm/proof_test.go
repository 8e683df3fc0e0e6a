package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseSample(t *testing.T) {
	s, err := parseSample("12.50\topen\t1000\t2048\t1024\t512\t256\t150\t25\t\t")
	want := Sample{
		At: 12500 * time.Millisecond, Phase: "open", Clients: 1000, Used: 2 << 20, Server: 1 << 20, Generator: 512 << 10,
		Slab: 256 << 10, ServerCPU: 1500 * time.Millisecond, LoadCPU: 250 * time.Millisecond,
	}
	if s != want || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parseSample("1\tend\t0\t-5\t7\t\t1\t9\t\t3\t4"); s.Generator != 0 || s.Used != -5<<10 || s.Proxy != 3<<10 || s.ProxyCPU != 40*time.Millisecond || err != nil {
		t.Errorf("a process that has ended: %+v, %v", s, err)
	}
	for _, bad := range []string{"", "1\topen\t2", "1\topen\tx\t1\t1\t1\t1\t1\t1\t1\t1"} {
		if _, err := parseSample(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

const goodResult = `{"phases":[
 {"name":"open","seconds":9.5,"opened":1000,"order":{}},
 {"name":"broadcast 1","seconds":2,"delivered":1000,"order":{}}],
 "verdict":{"good":true,"problems":[]}}`

// proofOf reads a proof with these files.
func proofOf(t *testing.T, samples, result string, leave ...string) *Proof {
	t.Helper()
	p, err := ReadProof(write(t, samples, result, strings.Join(leave, "")), 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write writes what a run brings out.
func write(t *testing.T, samples, result, leave string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "figures"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"figures/samples.tsv": samples, "million.json": result, "figures/leave.tsv": leave} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestProof(t *testing.T) {
	const samples = "5\tstart\t0\t1000\t20000\t\t9\t10\t\t\t\n30\trunning\t1002\t9000\t21000\t9000\t9\t10\t5\t\t\n"
	for _, c := range []struct {
		name            string
		samples, result string
		missed          int
	}{
		{"good", samples, goodResult, 0},
		{"too few clients", strings.Replace(samples, "1002", "999", 1), goodResult, 1},
		{"too big a server", strings.Replace(samples, "21000", "51000", 1), goodResult, 1},
		{"too much in all", strings.Replace(samples, "\t9000\t21000", "\t290000\t21000", 1), goodResult, 1},
		{"much in a broadcast", strings.Replace(samples, "\t9000\t21000", "\t273000\t21000", 1), goodResult, 0},
		{"much at the end of a phase", strings.Replace(strings.Replace(samples, "\t9000\t21000", "\t273000\t21000", 1), "running", "open", 1), goodResult, 1},
		{"lost and repeated", samples, strings.Replace(goodResult, `1000,"order":{}}]`, `1000,"order":{"lost":1,"repeated":2}}]`, 1), 2},
		{"misrouted", samples, strings.Replace(goodResult, `1000,"order":{}}]`, `1000,"order":{"misrouted":1}}]`, 1), 1},
		{"heart-beats missed", samples, strings.Replace(goodResult, `"opened":1000`, `"heartbeats_missed":3`, 1), 1},
		{"a bad verdict", samples, strings.Replace(goodResult, `true,"problems":[]`, `false,"problems":["x","y"]`, 1), 2},
		{"a bad verdict without words", samples, strings.Replace(goodResult, `true,`, `false,`, 1), 1},
	} {
		p := proofOf(t, c.samples, c.result)
		if p.Missed() != c.missed {
			t.Errorf("%s: %d missed, want %d: %+v %q", c.name, p.Missed(), c.missed, p.Results, p.Problems)
		}
		var table strings.Builder
		if err := p.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(table.String(), "broadcast 1") || strings.Contains(table.String(), running) {
			t.Errorf("%s:\n%s", c.name, table.String())
		}
		if strings.Contains(table.String(), "MISSED") != (c.missed > 0 && len(p.Problems) == 0) {
			t.Errorf("%s:\n%s", c.name, table.String())
		}
	}
}

// What nginx costs comes from the samples of the phases.
func TestCost(t *testing.T) {
	const samples = "5\tstart\t0\t1000\t20000\t\t9\t10\t\t10000\t5\n" +
		"30\topen\t1000\t51000\t21000\t4000\t9\t10\t5\t16000\t100\n" +
		"40\tbroadcast\t1000\t60000\t21000\t4000\t9\t20\t9\t17000\t130\n"
	p := proofOf(t, samples, goodResult)
	want := Cost{
		Memory: 16000 << 10 / 1000, Kernel: (50000 - 1000 - 4000 - 6000) << 10 / 1000,
		CPU: 300 * time.Microsecond, ServerCPU: 100 * time.Microsecond,
	}
	if p.Proxy == nil || *p.Proxy != want {
		t.Errorf("%+v, want %+v", p.Proxy, want)
	}
	var table strings.Builder
	if err := p.WriteTable(&table); err != nil || !strings.Contains(table.String(), "nginx 300µs, server 100µs") {
		t.Errorf("%v\n%s", err, table.String())
	}
	if p := proofOf(t, strings.ReplaceAll(samples, "\t10000\t5\n", "\t\t\n"), goodResult); p.Proxy != nil {
		t.Errorf("without nginx: %+v", p.Proxy)
	}
}

// TLS has targets of its own, and the table says what a connection takes.
func TestProofOfTLS(t *testing.T) {
	const samples = "5\tstart\t0\t1000\t20000\t\t9\t10\t\t\t\n30\topen\t1000\t9000\t51000\t9000\t1009\t10\t5\t\t\n"
	dir := write(t, samples, goodResult, "")
	for secure, missed := range map[bool]int{false: 1, true: 0} {
		p, err := ReadProof(dir, 1000, secure)
		if err != nil || p.Missed() != missed {
			t.Fatalf("TLS %v: %v, %+v", secure, err, p)
		}
		var table strings.Builder
		if err := p.WriteTable(&table); err != nil || !strings.Contains(table.String(), "31,744 bytes of the server, 9,216 of the load generator, 1,024 of the kernel") {
			t.Errorf("%v\n%s", err, table.String())
		}
	}
}

// A million has the targets as they are given.
func TestTargets(t *testing.T) {
	if a, b := target(1_000_000, serverPerConnection, serverBase), target(1_000_000, allPerConnection, allBase); a != 1_100_000_000 || b != 10_000_000_000 {
		t.Errorf("%d, %d", a, b)
	}
	if got := group(1234567) + group(-5000) + group(99); got != "1,234,567-5,00099" {
		t.Error(got)
	}
}

// A server that leaves closes all with 1012, and has ended in time.
func TestProofOfLeaving(t *testing.T) {
	const samples = "30\tleave\t1000\t9000\t21000\t9000\t9\t10\t5\t\t\n"
	for _, c := range []struct {
		name, leave string
		left        int
		missed      int
	}{
		{"well", "59.2\t60\n", 1000, 0},
		{"late", "60.2\t60\n", 1000, 1},
		{"one was cut", "59.2\t60\n", 999, 1},
		{"not at all", "", 0, 0},
	} {
		result := strings.Replace(goodResult, `"delivered":1000,"order":{}}],`, fmt.Sprintf(`"delivered":1000,"left":%d,"order":{}}],"series":[{"left":7},{"left":%d}],`, c.left, c.left-7), 1)
		p := proofOf(t, samples, result, c.leave)
		var table strings.Builder
		if err := p.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		if p.Missed() != c.missed || strings.Contains(table.String(), fmt.Sprintf("at most %d connections a second", max(0, c.left-7))) != (c.leave != "") {
			t.Errorf("%s: %d missed, want %d\n%s", c.name, p.Missed(), c.missed, table.String())
		}
	}
}
