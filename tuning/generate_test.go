package tuning

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files")

// TestGenerated compares the generated files with what the table says now.
func TestGenerated(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"settings.sh": settingsShell(), "README.md": readme}
	for name, table := range map[string]string{"fit": fitTable(), "host": hostTable(), "settings": settingsTable()} {
		want["README.md"] = between(t, want["README.md"], name, table)
	}
	for name, text := range want {
		if *update {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if is, err := os.ReadFile(name); err != nil || !bytes.Equal(is, text) {
			t.Errorf("%s is stale (%v): run go generate ./tuning", name, err)
		}
	}
}

// between replaces what stands between two marks of a page.
func between(t *testing.T, page []byte, name, text string) []byte {
	t.Helper()
	begin, end := "<!-- table "+name+" -->\n", "<!-- end -->"
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no place for the table %s", name)
	}
	return []byte(head + begin + "\n" + text + "\n" + end + tail)
}

// settingsShell writes the table for the scripts.
func settingsShell() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# shellcheck shell=sh disable=SC2017,SC2034,SC2154")
	p("# Generated from table.go by go generate; a test compares it. Do not edit.")
	p("")
	p("# fit prints how many connections fit into available KiB.")
	p("fit() {")
	p("\tfits=$(((available - %d) / (%d + %d * outgoing)))", base, Want{}.each(), otherEndKiB)
	p("\tif [ \"$fits\" -lt 0 ]; then fits=0; fi")
	p("\tif [ \"$fits\" -gt %d ]; then fits=%d; fi", MaxConnections, MaxConnections)
	p("\tprintf '%%s\\n' \"$fits\"")
	p("}")
	p("")
	p("# settings calls put KIND NAME PATH RULES VALUE for every setting that applies. It needs connections, memory and page")
	p("# (KiB), cores, conntrack and outgoing (0 or 1), and nics: words NAME:RX:TX with the numbers of queues.")
	p("settings() {")
	p("\tmany=%d # the number from which all settings apply", manyConnections)
	for _, n := range named {
		p("\t%s=$((%s)) # %s", n.name, n.value.shell(), n.means)
	}
	p("\tfew=0 spread=0")
	p("\tfor nic in $nics; do")
	p("\t\trx=${nic#*:} rx=${rx%%:*}")
	p("\t\tif [ \"$rx\" -lt \"$cores\" ]; then few=1; fi")
	p("\t\tif [ \"$rx\" -gt 1 ] && [ \"$cores\" -gt 1 ]; then spread=1; fi")
	p("\tdone")
	for _, d := range table {
		name, place := "'"+d.name+"'", path(d.kind, d.name)
		if place == "" {
			place = "-"
		}
		indent, open, closing := "\t", "", ""
		switch d.when {
		case tracked, outgoing, fewQueues, spread:
			indent, open, closing = "\t\t", fmt.Sprintf("\tif [ \"$%s\" = 1 ]; then", d.when), "\tfi"
		case perRX, perTX:
			indent = "\t\t\t"
			open = "\tfor nic in $nics; do\n\t\tnic_name=${nic%%:*} rx=${nic#*:} tx=${nic##*:}\n\t\trx=${rx%:*}\n"
			if d.when == perRX {
				open += "\t\t[ \"$rx\" -lt \"$cores\" ] || continue\n\t\tqueues=$rx queue=0\n"
			} else {
				open += "\t\tif [ \"$tx\" -le 1 ] || [ \"$tx\" -ge \"$cores\" ]; then continue; fi\n\t\tqueues=$tx queue=0\n"
			}
			open += "\t\twhile [ \"$queue\" -lt \"$queues\" ]; do"
			closing = "\t\t\tqueue=$((queue + 1))\n\t\tdone\n\tdone"
			in := strings.NewReplacer("NIC", "$nic_name", "QUEUE", string(d.when)+"-$queue")
			name = `"` + in.Replace(d.name) + `"`
			place = `"` + in.Replace(place) + `"`
		}
		var rules []string
		for _, r := range d.rules {
			rules = append(rules, string(r))
		}
		if len(rules) == 0 {
			rules = []string{"-"}
		}
		var value string
		switch d.words {
		case "":
			var numbers []string
			for _, f := range d.value {
				numbers = append(numbers, "$(("+f.shell()+"))")
			}
			value = `"` + strings.Join(numbers, " ") + `"`
		case allCPUs:
			value = `"$(cpumask "$cores" 1 0)"`
		case shareCPUs:
			value = `"$(cpumask "$cores" "$queues" "$queue")"`
		default:
			value = "'" + d.words + "'"
		}
		if d.many {
			p("\tif [ \"$connections\" -ge \"$many\" ]; then")
		}
		if open != "" {
			p("%s", open)
		}
		p("%sput %s %s %s %s %s", indent, d.kind, name, place, strings.Join(rules, ","), value)
		if closing != "" {
			p("%s", closing)
		}
		if d.many {
			p("\tfi")
		}
	}
	p("}")
	p("")
	p("# explain NAME sets why, below (what happens without it), source, and limits: 1 if the setting bounds the number of connections.")
	p("explain() {")
	p("\tcase $1 in")
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	for _, d := range table {
		p("\t%s)", strings.NewReplacer("NIC", "*", "QUEUE", "*").Replace(d.name))
		p("\t\twhy=%s", quote(d.why))
		p("\t\tbelow=%s", quote(d.below))
		p("\t\tsource=%s limits=%d", quote(d.source), map[bool]int{true: 1}[d.limits])
		p("\t\t;;")
	}
	p("\tesac")
	p("}")
	return b.Bytes()
}

// grouped writes a number as people read it.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// fitTable says how many connections fit into which memory. A host with n GiB shows some 3% less to Linux.
func fitTable() string {
	var b strings.Builder
	b.WriteString("| memory | connections at most | with stentor-bench on the same host |\n|---|---|---|\n")
	for _, gib := range []int64{2, 4, 8, 16, 32, 64, 128} {
		seen := gib << 20 * 97 / 100
		fmt.Fprintf(&b, "| %d GiB | %s | %s |\n", gib, grouped(Want{}.Fit(seen)/1000*1000), grouped(Want{Outgoing: true}.Fit(seen)/1000*1000))
	}
	return b.String()
}

// hostTable says what numbers of connections need.
func hostTable() string {
	var b strings.Builder
	b.WriteString("| connections | node | kernel's sockets | buffers in a broadcast to all | with 512 MiB for the system | descriptors |\n|---|---|---|---|---|---|\n")
	gib := func(kib int64) string { return fmt.Sprintf("%.2f GiB", float64(kib)/(1<<20)) }
	for _, n := range []int64{1000, 10000, 100000, 250000, 500000, 1000000, 2000000} {
		env := environment(Want{Connections: n}, Host{Memory: Want{Connections: n}.Need(), Page: 4, Cores: 2})
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", grouped(n), gib(n*processKiB), gib(n*socketKiB), gib(n*bufferKiB), gib(Want{Connections: n}.Need()), grouped(env["files"]))
	}
	return b.String()
}

// settingsTable shows the whole table.
func settingsTable() string {
	var b strings.Builder
	for _, n := range named {
		fmt.Fprintf(&b, "- `%s` = `%s`: %s\n", n.name, n.value.text, n.means)
	}
	b.WriteString("\n| setting | value | why | without it | source |\n|---|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "NIC", "*", "QUEUE", "*")
	names := map[Rule]string{AtLeast: "at least", AtMost: "at most"}
	when := map[condition]string{
		tracked: "; only where the kernel tracks connections", outgoing: "; only with `--outgoing`", fewQueues: "; only where a NIC has fewer queues than there are cores",
		perRX: "; each receive queue of such a NIC", perTX: "; each transmit queue of a NIC with several, and fewer than cores", spread: "; only where a NIC has several queues",
	}
	from := map[bool]string{true: "; from " + grouped(manyConnections) + " connections on"}
	for _, d := range table {
		var parts []string
		for i, f := range d.value {
			parts = append(parts, fmt.Sprintf("%s `%s`", names[d.rules[i]], f.text))
		}
		value := strings.Join(parts, ", ")
		switch d.words {
		case "":
		case allCPUs:
			value = "all cores"
		case shareCPUs:
			value = "every n-th core, n the number of queues"
		default:
			value = "`" + strings.ReplaceAll(d.words, " ", "` or `") + "`"
			if d.kind == Socket || d.kind == Service {
				value = d.words
			}
		}
		fmt.Fprintf(&b, "| %s %s | %s%s%s | %s | %s | %s |\n", d.kind, "`"+cell.Replace(d.name)+"`", value, when[d.when], from[d.many], cell.Replace(d.why), cell.Replace(d.below), cell.Replace(d.source))
	}
	return b.String()
}
