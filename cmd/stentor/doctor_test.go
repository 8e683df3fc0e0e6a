package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"stentor/tuning"
)

// fakeRoot is a directory that looks like a host with some memory. Every kernel setting in it suffices for ten thousand
// connections, but for those of short.
func fakeRoot(t *testing.T, gib int64, short map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"proc/meminfo":     "MemTotal: " + strconv.FormatInt(gib<<20, 10) + " kB\n",
		"proc/cpuinfo":     "processor\t: 0\nprocessor\t: 1\n",
		"proc/self/limits": "Max open files            1024                 1048576              files     \n",
	}
	host := tuning.Host{Memory: gib << 20, Page: 4, Cores: 2}
	for _, s := range tuning.Settings(tuning.Want{Connections: 10000}, host) {
		if s.Path != "" {
			files[s.Path] = strings.Fields(s.Value)[0] + "\n"
			if s.Rules[0] != tuning.OneOf {
				files[s.Path] = s.Value + "\n"
			}
		}
	}
	for path, text := range short {
		files[path] = text
	}
	for path, text := range files {
		name := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDoctor(t *testing.T) {
	root := fakeRoot(t, 4, nil)
	if got := cli(t, "doctor", "--root", root, "--connections", "10000"); got.code != exitOK || got.err != "" ||
		!strings.HasPrefix(got.out, "10000 connections on 4096 MiB and 2 cores; the memory holds 407779\n") || !strings.Contains(got.out, "ok       net.core.somaxconn: 4096\n") {
		t.Errorf("%+v", got)
	}
	root = fakeRoot(t, 4, map[string]string{"proc/sys/net/core/somaxconn": "128\n", "proc/sys/vm/swappiness": "60\n"})
	got := cli(t, "doctor", "--root", root, "--connections", "10000")
	if got.code != exitFailure || !strings.HasPrefix(got.err, "stentor doctor: 2 of ") {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{
		"too low  net.core.somaxconn: 128, should be at least 4096\n         why:     ", "         mend:    sudo sysctl -w net.core.somaxconn='4096'\n",
		"too high vm.swappiness: 60, should be at most 10\n", "unknown  LimitNOFILE: not set, or not readable, should be at least 14096\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	got = cli(t, "doctor", "--root", root, "--connections", "500000", "--json")
	var e examination
	if err := json.Unmarshal([]byte(got.out), &e); err != nil || got.code != exitFailure || e.OK || e.Connections != 500000 || e.Fit != 407779 || e.Host.Cores != 2 {
		t.Fatalf("%v %+v", err, got)
	}
	found := map[string]tuning.Finding{}
	for _, s := range e.Settings {
		found[s.Name] = s
	}
	if m := found["memory"]; m.Verdict != tuning.Short || m.Mend != "more memory, or fewer connections: 407779 fit (limits.connections)" {
		t.Errorf("%+v", m)
	}
	if n := found["nofile"]; n.Verdict != tuning.OK || n.Is != "1048576" || n.Value != "504096" || n.Why == "" || n.Source == "" {
		t.Errorf("%+v", n)
	}
}

// TestDoctorOfProcess looks at the limits, the environment and the groups of a process.
func TestDoctorOfProcess(t *testing.T) {
	root := fakeRoot(t, 4, map[string]string{
		"proc/42/limits":                           "Max open files            1024                 2000                 files     \n",
		"proc/42/environ":                          "A=b\x00GOMEMLIMIT=100MiB\x00GOGC=200\x00",
		"proc/42/cgroup":                           "0::/a.slice/b.service\n",
		"sys/fs/cgroup/a.slice/memory.max":         "536870912\n",
		"sys/fs/cgroup/a.slice/b.service/pids.max": "500\n",
	})
	got := cli(t, "doctor", "--root", root, "--connections", "10000", "--pid", "42")
	for _, want := range []string{
		"short    nofile: 2000, should be at least 14096\n", "short    LimitNOFILE: 2000,", "too low  TasksMax: 500,", "too low  GOMEMLIMIT: 100MiB, should be at least 541\n",
		"too high GOGC: 200, should be at most 30\n", "short    memory: 512 MiB, should be at least 600 MiB\n", "fewer connections: 0 fit",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if got := cli(t, "doctor", "--connections", "1000", "--pid", "999999999"); got != (result{exitFailure, "", "stentor doctor: there is no process 999999999\n"}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "doctor", "--connections", "1000", "--pid", strconv.Itoa(os.Getpid()), "--json"); !strings.HasPrefix(got.out, `{"ok":`) {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{"doctor"}, {"doctor", "--connections", "0"}, {"doctor", "--connections", "12x"}, {"doctor", "--connections", "10000001"}, {"doctor", "--connections", "5", "--pid", "-1"}} {
		if got := cli(t, args...); got.code != exitUsage || got.out != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// TestConnectionsThatFit: by default as many as the memory holds, of which a container may have less; a small one has its
// share all the same.
func TestConnectionsThatFit(t *testing.T) {
	group := func(limit string) map[string]string {
		return map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": limit}
	}
	for name, one := range map[string]struct {
		root string
		want int
	}{
		"a host": {fakeRoot(t, 4, nil), 407779}, "a container": {fakeRoot(t, 64, group("1073741824")), 58254}, "a small container": {fakeRoot(t, 64, group("268435456")), leastConnections},
		"no host": {t.TempDir(), tuning.MaxConnections},
	} {
		if got := connectionsThatFit(one.root, 0); got != one.want {
			t.Errorf("%s: %d, want %d", name, got, one.want)
		}
	}
}

// TestWarnOfHost checks the line that a node logs at its start.
func TestWarnOfHost(t *testing.T) {
	warned := func(root string, connections int64) string {
		var b bytes.Buffer
		warnOfHost(root, connections, slog.New(slog.NewTextHandler(&b, nil)))
		return b.String()
	}
	root := fakeRoot(t, 4, map[string]string{"proc/sys/vm/swappiness": "60\n"}) // which bounds nothing
	if got := warned(root, 1000); got != "" {
		t.Error(got)
	}
	if got := warned(t.TempDir(), 1000); got != "" {
		t.Error(got)
	}
	if got := warned(root, 0); got != "" { // as many as fit
		t.Error(got)
	}
	got := warned(root, 1000000)
	for _, want := range []string{"level=WARN", "limits.connections=1000000", "short=memory,fs.nr_open,fs.file-max,fs.epoll.max_user_watches,net.ipv4.tcp_mem ", `see="stentor doctor --connections 1000000"`} {
		if !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("no %q in %s", want, got)
		}
	}
}
