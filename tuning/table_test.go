package tuning

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTable checks that each row says all that it should, in words that pass through the scripts.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range table {
		if d.why == "" || d.below == "" || d.source == "" {
			t.Errorf("%s: no reason, consequence or source", d.name)
		}
		if seen[d.name] || strings.ContainsAny(d.name+d.words, "|'\"$`\\\n") {
			t.Errorf("%q: twice, or not for a shell", d.name)
		}
		seen[d.name] = true
		if d.words == "" && len(d.value) != len(d.rules) || d.kind != Socket && len(d.rules) == 0 {
			t.Errorf("%s: %d rules for %d fields", d.name, len(d.rules), len(d.value))
		}
	}
}

func values(t *testing.T, connections, memory int64) map[string][]int64 {
	t.Helper()
	all := map[string][]int64{}
	for _, s := range Settings(Want{connections, true}, Host{Memory: memory, Page: 4, Cores: 4, Conntrack: true, NICs: []NIC{{"eth0", 1, 1}}}) {
		for _, word := range strings.Fields(s.Value) {
			if n, err := strconv.ParseInt(word, 10, 64); err == nil {
				all[s.Name] = append(all[s.Name], n)
			}
		}
	}
	return all
}

// TestSane looks at the values over hosts from 2 to 256 GiB and connections from ten thousand to ten million.
func TestSane(t *testing.T) {
	sizes := []int64{manyConnections, 50000, 100000, 1000000, MaxConnections}
	for gib := int64(2); gib <= 256; gib *= 2 {
		var before map[string][]int64
		for _, n := range sizes {
			v := values(t, n, gib<<20)
			check := func(ok bool, what string, args ...any) {
				if !ok {
					t.Errorf("%d connections, %d GiB: %s", n, gib, fmt.Sprintf(what, args...))
				}
			}
			one := func(name string) int64 {
				if len(v[name]) == 0 {
					t.Fatalf("no setting %s", name)
				}
				return v[name][0]
			}
			check(one("nofile") >= n+1000, "nofile %d leaves the engine too little", one("nofile"))
			check(one("fs.nr_open") >= one("nofile") && one("fs.nr_open") < 1<<30, "fs.nr_open %d", one("fs.nr_open"))
			check(one("fs.file-max") > one("nofile") && one("fs.epoll.max_user_watches") > n, "file-max, watches")
			check(one("LimitNOFILE") == one("nofile"), "LimitNOFILE")
			check(one("net.core.somaxconn") >= 4096 && one("net.core.somaxconn") <= 65535, "somaxconn %d", one("net.core.somaxconn"))
			mem := v["net.ipv4.tcp_mem"]
			check(len(mem) == 3 && mem[0] > 0 && mem[0] < mem[1] && mem[1] < mem[2], "tcp_mem %v", mem)
			check(mem[2]*4 <= gib<<20*4/10, "tcp_mem %v takes more than 40%% of the memory", mem)
			if n <= (Want{Outgoing: true}).Fit(gib<<20) {
				// A page for everybody. Where the memory is just enough, what is charged may press but not drop.
				check(mem[2] >= min(n, gib<<20/10), "tcp_mem %v does not hold a broadcast", mem)
			}
			check(one("net.netfilter.nf_conntrack_max") > n, "conntrack")
			ratio := one("net.netfilter.nf_conntrack_max") / one("nf_conntrack.hashsize")
			check(ratio == 3 || ratio == 4, "conntrack: %d entries a bucket", ratio)
			limit := one("GOMEMLIMIT") << 10
			check(limit > 2*n*processKiB, "GOMEMLIMIT %d KiB", limit)
			for name, fields := range v {
				for i, x := range fields {
					check(x >= 0 && (before == nil || x >= before[name][i]), "%s: %v, with fewer connections %v", name, fields, before[name])
				}
			}
			before = v
		}
	}
}

func TestFit(t *testing.T) {
	for _, one := range []struct{ memory, want int64 }{{0, 0}, {base, 0}, {base + 8, 0}, {base + 9, 1}, {2 << 20, 174762}, {19 << 20, 2155406}, {1 << 40, MaxConnections}} {
		if got := (Want{}).Fit(one.memory); got != one.want {
			t.Errorf("%d KiB: %d, want %d", one.memory, got, one.want)
		}
	}
	for _, n := range []int64{1, 1000, 1000000} {
		for _, w := range []Want{{n, false}, {n, true}} {
			if w.Fit(w.Need()) != n || w.Fit(w.Need()-1) != n-1 {
				t.Errorf("%+v need %d KiB, which hold %d", w, w.Need(), w.Fit(w.Need()))
			}
		}
	}
	// What the node measured (docs/benchmarks.md, "Measured") fits into the formula, and a million with both ends into 18.5 GiB.
	million := Want{1000000, true}
	if processKiB*1024 < 957 || million.Need() > 37<<19 || (Want{Connections: 1000000}).Need() > 10<<20 {
		t.Errorf("%d KiB for a million", million.Need())
	}
}

// TestFew: on a host as it comes, what is asked for some thousand connections suffices, but for what nobody can read.
func TestFew(t *testing.T) {
	host := fakeHost{memory: 4 << 20, cores: 4, conntrack: true, nics: []NIC{{"eth0", 2, 4}}, limit: "20000", files: map[string]string{etcUnit: begin}}
	root := host.write(t)
	if err := os.RemoveAll(filepath.Join(root, etcDrops)); err != nil {
		t.Fatal(err)
	}
	h, err := Inspect(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 5000, manyConnections - 1} {
		for _, f := range Check(root, 0, Want{Connections: n}, h) {
			if !f.Verdict.Suits() {
				t.Errorf("%d connections: %s %s: %s, should be %s", n, f.Verdict, f.Name, f.Is, f.Should())
			}
		}
	}
	// With many each word is there, and short is only what bounds them.
	seen := map[Verdict]int{}
	for _, f := range Check(root, 0, Want{Connections: 300000}, h) {
		seen[f.Verdict]++
		if f.Verdict == Short && !f.Limits || f.Verdict != Short && f.Limits && !f.Verdict.Suits() {
			t.Errorf("%s %s", f.Verdict, f.Name)
		}
	}
	for _, v := range []Verdict{OK, Short, Low, High, Differs, Unset, Unknown} {
		if seen[v] == 0 {
			t.Errorf("nothing is %s: %v", v, seen)
		}
	}
}

func TestRules(t *testing.T) {
	rule := func(value string, rules ...Rule) *Setting { return &Setting{Value: value, Rules: rules} }
	for _, one := range []struct {
		s         *Setting
		is        string
		ok, known bool
		merged    string
	}{
		{rule("10", AtLeast), "10", true, true, "10"},
		{rule("10", AtLeast), "9", false, true, "10"},
		{rule("10", AtLeast), "18446744073709551615", true, true, "18446744073709551615"},
		{rule("10", AtLeast), "unlimited", true, true, "unlimited"},
		{rule("10", AtLeast), "max", false, false, "10"},
		{rule("10", AtLeast), "", false, false, "10"},
		{rule("10", AtMost), "60", false, true, "10"},
		{rule("10", AtMost), "5", true, true, "5"},
		{rule("1 2 3", AtMost, AtMost, AtLeast), "1\t9\t9", false, true, "1 2 9"},
		{rule("1 2 3", AtLeast, AtLeast, AtLeast), "1 2", false, false, "1 2 3"},
		{rule("madvise never", OneOf), "[always] madvise never", false, true, "madvise"},
		{rule("madvise never", OneOf), "always madvise [never]", true, true, "madvise"},
		{rule("0", OneOf), "1", false, true, "0"},
		{rule("f", AnyMask), "00000000,00000000", false, true, "f"},
		{rule("f", AnyMask), "00000000,00000002", true, true, "f"},
	} {
		ok, known := one.s.met(one.is)
		if merged := one.s.merge(one.is); ok != one.ok || known != one.known || merged != one.merged {
			t.Errorf("%q against %v %q: %v, %v, %q", one.is, one.s.Rules, one.s.Value, ok, known, merged)
		}
	}
}

func TestWant(t *testing.T) {
	for _, n := range []int64{-1, 0, MaxConnections + 1} {
		if (Want{Connections: n}).Check() == nil {
			t.Errorf("%d connections are accepted", n)
		}
	}
}
