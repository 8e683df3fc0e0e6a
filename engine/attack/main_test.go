//go:build attacks

package attack

import (
	"os"
	"testing"

	"stentor/engine/testkit"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(testkit.Main(m))
}
