//go:build vm

package vm

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lvsClients is how many clients come through LVS.
const lvsClients = 60

// TestLVS runs tuning/lvs with a real ip_vs: a director, two nodes and the clients in network namespaces at one bridge. A
// node's process is killed and comes back, then the host of the other one falls silent.
func TestLVS(t *testing.T) {
	m := machine(t)
	m.Memory = 1 << 30
	m.Timeout = 10 * time.Minute
	m.Modules = []string{"veth", "bridge", "ip_vs_wlc"}
	m.Files = append(programs(t), hostPrograms(t, "ip", "ipvsadm")...)
	m.Files = append(m.Files, hostShell(t),
		File{Host: "../../../tuning/lvs/director.sh", Guest: "/root/lvs/director.sh"},
		File{Host: "../../../tuning/lvs/realserver.sh", Guest: "/root/lvs/realserver.sh"})
	m.Env = map[string]string{"CLIENTS": fmt.Sprint(lvsClients)}
	job, err := os.ReadFile("testdata/lvs.sh")
	if err != nil {
		t.Fatal(err)
	}
	m.Job = string(job)
	if status, err := m.Run(t.Context()); status != 0 || err != nil {
		text, _ := os.ReadFile(filepath.Join(m.Out, "console.log"))
		t.Fatalf("status %d, %v\n%s", status, err, text)
	}
	e := evidence{t, filepath.Join(m.Out, "evidence")}
	e.spread()
	e.direct()
	e.only("killed", "node21", "node22")
	e.inTable("back", "10.0.0.21", "10.0.0.22")
	e.only("dead", "node22", "node21")
	e.messages()
	e.nothingLeft()
}

// programs are this project's, built for the run.
func programs(t *testing.T) []File {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "stentor/cmd/stentor", "stentor/cmd/stentor-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []File{{Host: filepath.Join(dir, "stentor")}, {Host: filepath.Join(dir, "stentor-bench")}}
}

// hostPrograms are programs of the distribution.
func hostPrograms(t *testing.T, names ...string) (all []File) {
	t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: run tuning/deps.sh", err)
		}
		all = append(all, File{Host: path, Guest: "/bin/" + name})
	}
	return all
}

// hostShell is a shell that takes programs from PATH: busybox's takes its own.
func hostShell(t *testing.T) File {
	t.Helper()
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	return File{Host: sh, Guest: "/bin/host-sh"}
}

// evidence is what lvs.sh noted, a folder for each stage.
type evidence struct {
	t   *testing.T
	dir string
}

func (e evidence) read(name string) string {
	e.t.Helper()
	b, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

// numbers are those of a stage: sessions of nodes, and bytes that interfaces have sent and received.
func (e evidence) numbers(stage string) map[string]int {
	e.t.Helper()
	all := map[string]int{}
	for s := bufio.NewScanner(strings.NewReader(e.read(stage + "/numbers"))); s.Scan(); {
		var name string
		var n int
		if _, err := fmt.Sscan(s.Text(), &name, &n); err != nil {
			e.t.Fatalf("%q: %v", s.Text(), err)
		}
		all[name] = n
	}
	return all
}

// spread: both nodes have their share of the clients, whose own addresses they see.
func (e evidence) spread() {
	e.t.Helper()
	n := e.numbers("open")
	for _, node := range []string{"node21", "node22"} {
		if got := n[node+".sessions"]; got < lvsClients/3 || got > lvsClients*2/3 {
			e.t.Errorf("%s has %d clients of %d", node, got, lvsClients)
		}
		var list struct{ Sessions []struct{ Address string } }
		if err := json.Unmarshal([]byte(e.read("open/"+node+".json")), &list); err != nil {
			e.t.Fatal(err)
		}
		for _, s := range list.Sessions {
			if !strings.HasPrefix(s.Address, "10.0.0.101:") && !strings.HasPrefix(s.Address, "10.0.0.102:") && !strings.HasPrefix(s.Address, "10.0.0.103:") {
				e.t.Errorf("%s has a client at %s", node, s.Address)
			}
		}
		if len(list.Sessions) != n[node+".sessions"] {
			e.t.Errorf("%s lists %d of %d clients", node, len(list.Sessions), n[node+".sessions"])
		}
	}
}

// direct: what nodes send while messages are pushed reaches the clients past the director, which passes on only what the
// clients send.
func (e evidence) direct() {
	e.t.Helper()
	before, after := e.numbers("open"), e.numbers("pushed")
	grown := func(name string) int { return after[name] - before[name] }
	answers, passed, came := grown("node21.sent")+grown("node22.sent"), grown("director.sent"), grown("clients.received")
	if came < 100_000 || passed > came/4 || passed > answers/4 {
		e.t.Errorf("the nodes sent %d bytes, the director %d; the clients received %d", answers, passed, came)
	}
	f := strings.Fields(e.line("pushed/stats", "TCP  10.0.0.10:8080 "))
	if len(f) != 7 || f[3] == "0" || f[4] != "0" || f[6] != "0" {
		e.t.Errorf("the director's packets and bytes, in and out: %q", f)
	}
}

// line is the line of a file that has a text in it, empty when there is none.
func (e evidence) line(name, with string) string {
	e.t.Helper()
	for line := range strings.Lines(e.read(name)) {
		if strings.Contains(line, with) {
			return line
		}
	}
	return ""
}

// only: one node has all clients and the other has left the director's table.
func (e evidence) only(stage, there, gone string) {
	e.t.Helper()
	n := e.numbers(stage)
	if n[there+".sessions"] != lvsClients || n[gone+".sessions"] != 0 {
		e.t.Errorf("%s: %v", stage, n)
	}
	e.inTable(stage, "10.0.0."+strings.TrimPrefix(there, "node"))
}

// inTable: the director's table has these nodes and no other.
func (e evidence) inTable(stage string, nodes ...string) {
	e.t.Helper()
	for _, node := range nodes {
		if f := strings.Fields(e.line(stage+"/table", "-> "+node+":8080 ")); len(f) < 4 || f[2] != "Route" || f[3] != "100" {
			e.t.Errorf("%s: of %s the table has %q", stage, node, f)
		}
	}
	if table := e.read(stage + "/table"); strings.Count(table, ":8080 ") != 1+len(nodes) {
		e.t.Errorf("%s: the table is\n%s", stage, table)
	}
}

// messages: all pushes were taken, and every client that was connected got each, once and in order.
func (e evidence) messages() {
	e.t.Helper()
	var r struct {
		Phases []struct {
			Name              string
			Pushed, Delivered int64
			Order             struct{ Lost, Repeated, Reordered, Corrupted, Misrouted int64 }
		}
		Verdict struct{ Problems []string }
	}
	if err := json.Unmarshal([]byte(e.read("bench.json")), &r); err != nil {
		e.t.Fatal(err)
	}
	var pushed, delivered int64
	for _, p := range r.Phases {
		pushed += p.Pushed
		delivered += p.Delivered
		if o := p.Order; o.Lost+o.Repeated+o.Reordered+o.Corrupted+o.Misrouted != 0 {
			e.t.Errorf("%s: %+v", p.Name, o)
		}
	}
	// Who has just lost a node misses what is pushed until it is back.
	if pushed != 68 || delivered < 50*lvsClients || delivered > pushed*lvsClients {
		e.t.Errorf("%d messages were pushed, and delivered %d times to %d clients", pushed, delivered, lvsClients)
	}
	for _, p := range r.Verdict.Problems {
		if !strings.Contains(p, "did not open or was ended by the server") && !strings.Contains(p, "heart-beats of the server missed") {
			e.t.Error(p)
		}
	}
}

// nothingLeft: the director was put down.
func (e evidence) nothingLeft() {
	e.t.Helper()
	if table, addresses := e.read("table"), e.read("addresses"); strings.Contains(table, "10.0.0.") || strings.Contains(addresses, "10.0.0.10/32") {
		e.t.Errorf("left are\n%s%s", table, addresses)
	}
}
