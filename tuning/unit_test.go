package tuning

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnit checks that stentor.service has the limits of the table for the million that it promises, and asks systemd
// where it is installed: whether it understands every line, and whether the service is shut in well enough.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile(Unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings(Want{Connections: 1000000}, Host{Memory: 16 << 20, Page: 4, Cores: 4}) {
		if s.Kind != Systemd {
			continue
		}
		_, rest, _ := strings.Cut(string(text), "\n"+s.Name+"=")
		if is, _, _ := strings.Cut(rest, "\n"); func() bool { ok, _ := s.met(is); return !ok }() {
			t.Errorf("%s=%s, should be %s", s.Name, is, s.Should())
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		skipUnlessCI(t, "systemd-analyze is not installed: tuning/deps.sh does that")
		t.Skip()
	}
	// verify wants the program to be there.
	copied := filepath.Join(t.TempDir(), Unit)
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), "ExecStart=/usr/local/bin/stentor", "ExecStart=/bin/sh")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", copied).CombinedOutput(); err != nil || strings.Contains(string(out), Unit) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=20", copied).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out[max(0, len(out)-500):])
	}
}
