package testkit

import (
	"os/exec"
	"testing"
)

// Maven runs mvn in dir. Without the network where everything was fetched before: otherwise it may ask about each plugin. A
// repository may fail once, so it is asked three times.
func Maven(t testing.TB, dir string, arguments ...string) {
	t.Helper()
	var (
		out []byte
		err error
	)
	for _, flags := range [][]string{{"-o"}, nil, nil, nil} {
		mvn := exec.Command("mvn", append(append(flags, "-q", "-B"), arguments...)...)
		mvn.Dir = dir
		if out, err = mvn.CombinedOutput(); err == nil {
			return
		}
	}
	t.Fatalf("mvn: %v (kafka/dev/deps.sh installs Maven and Java)\n%s", err, out)
}
