package loop

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAdoptedVersion: adopt.go calls private functions of gnet. Before another version is taken, their signatures and what
// they do have to be read again: newStreamConn in connection_unix.go, register0 and open in eventloop_unix.go.
func TestAdoptedVersion(t *testing.T) {
	const read = "v2.10.0"
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}{{with .Replace}} replaced by {{.}}{{end}}", "github.com/panjf2000/gnet/v2").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != read {
		t.Errorf("gnet is %s, %v; adopt.go was written for %s", got, err, read)
	}
}
