package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stentor/engine/testkit"
)

// TestNode has Node's own WebSocket client as the peer.
func TestNode(t *testing.T) {
	const flag = "--experimental-websocket"
	if exec.Command("node", flag, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)").Run() != nil {
		testkit.Missing(t, "needs Node 20.10 or later, which engine/e2e/deps.sh installs")
	}
	peer(t, "node", flag, "testdata/peer.mjs")
}

// TestPython has the Python package websockets as the peer.
func TestPython(t *testing.T) {
	t.Setenv("PYTHONPATH", "../e2e/python/site") // before others of the machine
	if exec.Command("python3", "-c", "import websockets.asyncio.client").Run() != nil {
		testkit.Missing(t, "needs Python 3 with the package websockets 13 or later, which engine/e2e/deps.sh installs")
	}
	peer(t, "python3", "testdata/peer.py")
}

// peer runs a program with the URL of a server, with and without TLS.
func peer(t *testing.T, name string, args ...string) {
	for _, o := range []over{plain, records, cryptoTLS, compressed, compressedTLS} {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()
			url := "ws://" + serverOver(t, o) + "/"
			if o.secure() {
				url = "wss" + strings.TrimPrefix(url, "ws")
			}
			p, err := pair()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(name, append(slices.Clone(args), url, strconv.FormatBool(o.compresses()))...)
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+p.file, "SSL_CERT_FILE="+p.file)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// TestAutobahnSuite runs the Autobahn test suite itself, which takes about a minute. It is asked for by the environment
// variable WSTEST, the path of the command wstest. That is in the Python package autobahntestsuite 0.8.2, which needs
// Python 2.7. Sections 12 and 13 are judged where the server compresses.
func TestAutobahnSuite(t *testing.T) {
	wstest := os.Getenv("WSTEST")
	if wstest == "" {
		t.Skip("WSTEST does not name the command wstest")
	}
	for _, o := range []over{plain, compressed} {
		t.Run(string(o), func(t *testing.T) { suite(t, wstest, o) })
	}
}

// suite runs all cases against a server.
func suite(t *testing.T, wstest string, o over) {
	exclude := []string{}
	if !o.compresses() {
		exclude = []string{"12.*", "13.*"}
	}
	dir := t.TempDir()
	spec, err := json.Marshal(map[string]any{
		"outdir":  dir,
		"servers": []map[string]string{{"agent": "stentor", "url": "ws://" + serverOver(t, o)}},
		"cases":   []string{"*"}, "exclude-cases": exclude, "exclude-agent-cases": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "spec.json")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(wstest, "--mode", "fuzzingclient", "--spec", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report map[string]map[string]struct{ Behavior, BehaviorClose string }
	if err := json.Unmarshal(index, &report); err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for id, c := range report["stentor"] {
		for _, b := range []string{c.Behavior, c.BehaviorClose} {
			// Of a case that is informational the suite only notes what was done.
			// A window of less than 32 KiB is declined, which the suite calls unimplemented.
			if b != "OK" && b != "INFORMATIONAL" && !(o.compresses() && c.Behavior == "UNIMPLEMENTED") {
				t.Errorf("%s: %s, close %s", id, c.Behavior, c.BehaviorClose)
			}
		}
		passed[c.Behavior]++
	}
	t.Log(passed)
	if len(report["stentor"]) < 300 {
		t.Errorf("the suite ran %d cases", len(report["stentor"]))
	}
}
