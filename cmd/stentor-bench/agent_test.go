package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stentor/bench/gen/agent"
)

// One command, two agents, a node, and a report at the end.
func TestRunOnAgents(t *testing.T) {
	const secret = "a-secret-of-some-length"
	file, html := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "run.html")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var agents []string
	for range 2 {
		s := httptest.NewServer(agent.New(secret, t.Logf))
		t.Cleanup(s.Close)
		agents = append(agents, s.Listener.Addr().String())
	}
	flags := append(startNode(t), "--agents="+strings.Join(agents, ","))
	out, err := command(t, append([]string{"run", "churn", "--agents-token-file=" + file, "--html=" + html}, flags...)...)
	if err != nil || !strings.Contains(out, "good:") || !strings.Contains(out, agents[0]) || !strings.Contains(out, agents[1]) {
		t.Errorf("%v\n%s", err, out)
	}
	if text, err := os.ReadFile(html); err != nil || !strings.Contains(string(text), agents[1]) || !strings.Contains(string(text), "<h1>churn</h1>") {
		t.Errorf("the report lacks an agent or a title: %v", err)
	}
	if _, err := command(t, append([]string{"run", "churn"}, flags...)...); err == nil || !strings.Contains(err.Error(), "--agents-token-file") {
		t.Errorf("agents without a token: %v", err)
	}
	if _, err := command(t, "agent", "--listen=127.0.0.1:0", "--token-file="+file+"x"); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("an agent without a token: %v", err)
	}
}
