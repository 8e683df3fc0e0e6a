package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"stentor/bench/plan"
)

func planned(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&out)
	if err := c.Execute(); err != nil {
		t.Fatal(args, err)
	}
	return out.String()
}

// What the documentation shows of the model is what the command prints.
func TestPlansInTheDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	const prompt = "```console\n$ bin/stentor-bench "
	blocks := strings.Split(string(b), prompt)[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d plans are shown", len(blocks))
	}
	for _, block := range blocks {
		command, rest, _ := strings.Cut(block, "\n")
		shown, _, _ := strings.Cut(rest, "```")
		if got := planned(t, strings.Fields(command)...); got != shown {
			t.Errorf("%s\nprints\n%s\nand the documentation shows\n%s", command, got, shown)
		}
	}
}

func TestPlanJSON(t *testing.T) {
	var p plan.Plan
	if err := json.Unmarshal([]byte(planned(t, "plan", "--connections", "3000000", "--json")), &p); err != nil || p.Nodes != 3 || p.Connections != 3_000_000 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestPlanOfOneNode(t *testing.T) {
	if got := planned(t, "plan", "--connections", "1000", "--pushes", "10"); !strings.Contains(got, "no other node") {
		t.Error(got)
	}
}

func TestPlanMistake(t *testing.T) {
	c := rootCommand()
	c.SetArgs([]string{"plan", "--busy", "2"})
	if err := c.Execute(); err == nil || exitCode(err) != exitNotBegun || !strings.Contains(err.Error(), "--busy") {
		t.Errorf("error %v", err)
	}
}
