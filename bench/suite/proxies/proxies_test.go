package proxies

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/suite"
	"stentor/engine/testkit"
	"stentor/tuning/proxy"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// needProxies skips where the proxies are not installed, except where everything must be tested.
func needProxies(t *testing.T) {
	t.Helper()
	for _, kind := range []proxy.Kind{proxy.Nginx, proxy.HAProxy} {
		if _, err := exec.LookPath(string(kind)); err == nil {
			continue
		}
		testkit.Missing(t, string(kind)+" is not installed: tuning/deps.sh does that")
	}
}

// TestRun: every way is taken with a real node and real proxies, and each of them costs something.
func TestRun(t *testing.T) {
	needProxies(t)
	binary := filepath.Join(t.TempDir(), "stentor")
	if out, err := exec.Command("go", "build", "-o", binary, "stentor/cmd/stentor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c, err := Run(bounded(t), Options{Options: suite.Options{Stentor: binary, Connections: minConnections, Progress: t.Output()}, Pushes: 3, Samples: 1, calm: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Ways) != len(ways) {
		t.Fatalf("%+v", c.Ways)
	}
	for i, x := range c.Ways {
		if x.Way != ways[i].name || x.NodeDeliver <= 0 || x.NodeConnect <= 0 {
			t.Errorf("%+v", x)
		}
		if proxied := ways[i].kind != ""; (x.ProxyDeliver > 0) != proxied || (x.ProxyConnect > 0) != proxied || (x.ProxyMemory > 0) != proxied {
			t.Errorf("%+v", x)
		}
	}
	var table bytes.Buffer
	if err := c.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, name := range Ways() {
		if !strings.Contains(table.String(), name+"  ") {
			t.Errorf("no %s in\n%s", name, &table)
		}
	}
}

func TestMistakes(t *testing.T) {
	good := Options{Options: suite.Options{Stentor: "/bin/true", Connections: minConnections}, Pushes: 1, Samples: 1}
	for want, change := range map[string]func(*Options){
		"too few":                   func(o *Options) { o.Connections = 1 },
		"measure nothing":           func(o *Options) { o.Pushes = 0 },
		"there is no measurement":   func(o *Options) { o.Only = []string{"squid"} },
		"no such file":              func(o *Options) { o.Stentor = "/nonexistent/stentor" },
		"files and needs 200000256": func(o *Options) { o.Connections = 1e8 },
	} {
		o := good
		change(&o)
		if _, err := Run(bounded(t), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// What the others are compared with is measured always.
func TestChosen(t *testing.T) {
	for _, c := range []struct {
		only []string
		want string
	}{
		{nil, "direct node-tls node-tls-go nginx nginx-unix nginx-tls haproxy haproxy-unix haproxy-tls"},
		{[]string{"haproxy-tls", "nginx"}, "direct nginx haproxy-tls"},
		{[]string{"direct"}, "direct"},
	} {
		var names []string
		for _, w := range chosen(c.only) {
			names = append(names, w.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v: %s", c.only, got)
		}
	}
}

func TestCosts(t *testing.T) {
	c := Costs{Ways: []Cost{
		cost("direct", []sample{{deliver: [2]float64{10}}, {deliver: [2]float64{12}}, {deliver: [2]float64{100}}}),
		cost("nginx", []sample{{deliver: [2]float64{9, 21}, memory: [2]float64{1000, 18000}}}),
	}}
	var table bytes.Buffer
	if err := c.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12.0 us", "2.50", "18000 B"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
}
