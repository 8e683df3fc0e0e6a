//go:build vm

package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLeave is a server that is told to leave, in the small.
func TestLeave(t *testing.T) {
	files := programs(t)
	m := Million{
		Machine: *machine(t), Connections: 300, Heartbeat: time.Minute, Stentor: files[0].Host, Bench: files[1].Host, Leave: true,
		BenchFlags: []string{"--hold=2s", "--broadcasts=1", "--sample=0", "--kicks=0"},
	}
	proof, err := m.Run(t.Context())
	if err != nil || proof.Missed() != 0 || proof.ClosesASecond == 0 {
		text, _ := os.ReadFile(filepath.Join(m.Out, "console.log"))
		t.Fatalf("%v; %+v\n%s", err, proof, text)
	}
}
