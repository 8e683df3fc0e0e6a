package testkit

import (
	"os"
	"testing"
)

// Missing skips a test that cannot run on this host; why says what is missing, and what installs it. With the environment
// variable CI it fails the test instead: there everything must be tested.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
