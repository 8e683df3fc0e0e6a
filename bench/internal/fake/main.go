package fake

import (
	"fmt"
	"os"

	"stentor/bench/suite/baseline"
)

// Main is the TestMain of a package that starts processes. With the arguments of a server's binary, or of the bare write
// loop, the test binary acts as that; else it runs the tests. It does not return.
func Main(tests interface{ Run() int }) {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	var err error
	switch role {
	case "version":
		fmt.Println("fake 1.0\nmore")
	case "serve":
		err = Serve(os.Args[3])
	case "baseline":
		err = baseline.Serve(os.Stdin, os.Stdout, 2)
	default:
		os.Exit(tests.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
