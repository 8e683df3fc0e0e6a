//go:build vm

package vm

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProxy is 70,000 clients and 55,536 ports in the small: more clients come through nginx than one pair of addresses
// has ports, in each of the ways.
func TestProxy(t *testing.T) {
	const clients, ports = 400, 300
	files := programs(t)
	for _, via := range []Via{Unix, Ports, Sources} {
		t.Run(string(via), func(t *testing.T) {
			m := Million{
				Machine: *machine(t), Connections: clients, Heartbeat: time.Minute, Stentor: files[0].Host, Bench: files[1].Host,
				Via: via, Nginx: hostPrograms(t, "nginx")[0].Host, LocalPorts: fmt.Sprint(20_000, " ", 20_000+ports-1),
				// They come from several addresses, since ports are few for them as well.
				BenchFlags: []string{"--source=127.0.0.20-127.0.0.23", "--hold=6s", "--broadcasts=2", "--sample=20", "--kicks=5"},
			}
			proof, err := m.Run(t.Context())
			if err != nil || proof.Missed() != 0 {
				text, _ := os.ReadFile(filepath.Join(m.Out, "console.log"))
				t.Fatalf("%v; %+v\n%s", err, proof, text)
			}
			pairs, all := pairsOf(t, m.Out), 0
			for pair, n := range pairs {
				if all += n; n > ports && via != Unix {
					t.Errorf("%d connections have the pair %s", n, pair)
				}
			}
			if all != clients {
				t.Errorf("nginx has %d connections to the server: %v", all, pairs)
			}
		})
	}
}

// pairsOf are the connections between nginx and the server, by pair of addresses.
func pairsOf(t *testing.T, dir string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "figures", "pairs"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for s := bufio.NewScanner(strings.NewReader(string(b))); s.Scan(); {
		var at, from string
		var n int
		if _, err := fmt.Sscan(s.Text(), &at, &from, &n); err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		all[at+" "+from] = n
	}
	return all
}
