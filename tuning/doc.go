// Package tuning knows what a Linux host needs for a number of connections: each kernel and process setting with its
// value, its reason, its source, and what happens without it.
//
// There is one table (table.go). A value is a formula over the wanted connections and the host's facts, as in
// "max(65536, connections)". It is evaluated here for `stentor doctor`, and written out as shell arithmetic in
// settings.sh for check.sh and apply.sh, which need a POSIX shell and not this program:
//
//	host, err := tuning.Inspect("/")
//	for _, f := range tuning.Check("/", 0, tuning.Want{Connections: 1000000}, host) {
//		fmt.Println(f.Name, f.Is, f.Value, f.Verdict)
//	}
//
// settings.sh and the tables of README.md are generated (go generate); a test fails when they are stale, and another
// compares the numbers of both over many hosts. Nothing in this package changes a host: only apply.sh and revert.sh do.
package tuning

//go:generate go test -run TestGenerated -update
