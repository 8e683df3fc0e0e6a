package kafka

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run side by side than there are processors: nearly all of their time they wait for brokers, and
// for each other's beats.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "8") // it is a number
	}
	os.Exit(m.Run())
}
