package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed says, for each package of this module, what it may import of the module and which third-party modules.
// Packages import only downward; "std" alone needs no entry of modules.
var allowed = map[string]struct{ own, modules []string }{
	"stomp":              {},
	"engine/fifo":        {},
	"engine/address":     {},
	"engine/certs":       {},
	"engine/proxyproto":  {},
	"engine/refusal":     {own: []string{"engine/address"}},
	"engine/bus":         {},
	"engine/destination": {},
	"engine/deflate":     {},
	"engine/directory":   {own: []string{"engine/address"}},
	"engine/websocket":   {own: []string{"engine/refusal"}, modules: []string{"github.com/gobwas/ws"}},
	"engine/sockjs":      {},
	"engine/statefile":   {},
	"engine/tls13":       {modules: []string{"golang.org/x/crypto"}},
	"engine/history":     {own: []string{"stomp", "engine/bus", "engine/fifo", "engine/sockjs", "engine/statefile"}},
	"engine/session":     {own: []string{"stomp", "engine/deflate", "engine/refusal", "engine/sockjs", "engine/websocket"}, modules: []string{"github.com/gobwas/ws"}},
	"engine/shard": {
		own:     []string{"stomp", "engine/bus", "engine/deflate", "engine/destination", "engine/fifo", "engine/history", "engine/refusal", "engine/session", "engine/sockjs", "engine/websocket"},
		modules: []string{"github.com/gobwas/ws"},
	},
	"engine/jwks": {modules: []string{"github.com/go-jose/go-jose/v4"}},
	"engine/auth": {own: []string{"engine/destination", "engine/fifo", "engine/jwks", "engine/refusal"}, modules: []string{"github.com/golang-jwt/jwt/v5"}},
	"engine/loop": {
		own:     []string{"engine/address", "engine/deflate", "engine/certs", "engine/proxyproto", "engine/refusal", "engine/session", "engine/shard", "engine/tls13", "engine/websocket"},
		modules: []string{"github.com/gobwas/ws", "github.com/panjf2000/gnet/v2", "golang.org/x/sys", "golang.org/x/time"},
	},
	"engine/xhr": {own: []string{"engine/fifo", "engine/refusal", "engine/shard", "engine/sockjs", "engine/websocket"}},
	"engine": {
		own:     []string{"stomp", "engine/address", "engine/auth", "engine/bus", "engine/deflate", "engine/destination", "engine/directory", "engine/fifo", "engine/history", "engine/loop", "engine/refusal", "engine/session", "engine/shard", "engine/sockjs", "engine/statefile", "engine/websocket", "engine/xhr"},
		modules: []string{"github.com/prometheus/client_golang", "golang.org/x/time"},
	},
	"kafka": {
		own:     []string{"engine/bus", "engine/directory", "engine/fifo", "kafka/internal/librdkafka", "stomp"},
		modules: []string{"github.com/confluentinc/confluent-kafka-go/v2", "github.com/prometheus/client_golang", "golang.org/x/time"},
	},
	"kafka/internal/librdkafka": {modules: []string{"github.com/confluentinc/confluent-kafka-go/v2"}},

	"clients/go": {own: []string{"stomp", "engine/bus", "engine/websocket"}, modules: []string{"github.com/gobwas/ws"}},

	"tuning":       {},
	"tuning/proxy": {},
	"engine/admin": {own: []string{"engine/address", "engine/bus", "engine/certs", "engine/directory", "engine/fifo", "engine/refusal", "engine/shard", "engine/websocket", "stomp"}, modules: []string{"github.com/prometheus/client_golang"}},
}

// only names modules that a single part of the tree may import.
var only = map[string]string{
	"github.com/panjf2000/gnet/v2":                  "engine/loop",
	"github.com/confluentinc/confluent-kafka-go/v2": "kafka",
	"C": "kafka/internal/librdkafka",
}

// tools says, for each part of the tree that only tests and measurements use, who may import it: in a package itself,
// and in its tests beside. No package of the product imports any.
var tools = []struct{ part, packages, tests string }{
	{part: "engine/testkit", packages: "engine/testkit engine/e2e engine/attack bench kafka/kafkatest", tests: "engine kafka cmd clients tuning/lvs"},
	{part: "testing/synctest", packages: "engine/testkit/bubble"},
	{part: "bench/gen", packages: "bench cmd/stentor-bench"},
	{part: "bench/machine", packages: "bench/machine bench/suite cmd/stentor-bench", tests: "bench/gen"},
	{part: "bench/suite", packages: "bench/suite bench/internal cmd/stentor-bench", tests: "bench/gen"},
}

const module = "stentor/"

type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "kafka,attacks,vm,clients", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointDownward(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		seen[name] = true
		for _, imported := range p.Imports {
			if m, owner := restricted(imported); m != "" && name != owner && !strings.HasPrefix(name, owner+"/internal/") && !strings.HasPrefix(name, "bench") {
				t.Errorf("%s imports %s, which only %s may", name, m, owner)
			}
			rule, ruled := allowed[name]
			if !ruled {
				continue
			}
			if own, ok := strings.CutPrefix(imported, module); ok {
				if !slices.Contains(rule.own, own) {
					t.Errorf("%s may not import %s", name, own)
				}
			} else if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && !inModules(rule.modules, imported) {
				t.Errorf("%s may not import %s", name, imported)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("the table has a package that is not there: %s", name)
		}
	}
	for name := range seen {
		if _, ruled := allowed[name]; !ruled && strings.HasPrefix(name, "engine/") && name != "engine/e2e" && name != "engine/attack" && name != "engine/conformance" && !within(name, "engine/testkit") {
			t.Errorf("%s has no place in the table", name)
		}
	}
}

func TestToolsStayOutOfTheProduct(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, tool := range tools {
			for _, imported := range p.Imports {
				if within(strings.TrimPrefix(imported, module), tool.part) && !within(name, strings.Fields(tool.packages)...) {
					t.Errorf("%s may not import %s", name, imported)
				}
			}
			for _, imported := range append(p.TestImports, p.XTestImports...) {
				if within(strings.TrimPrefix(imported, module), tool.part) && !within(name, strings.Fields(tool.packages+" "+tool.tests)...) {
					t.Errorf("the tests of %s may not import %s", name, imported)
				}
			}
		}
	}
}

// within reports whether a package is one of these parts of the tree, or below one.
func within(name string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return name == part || strings.HasPrefix(name, part+"/") })
}

func restricted(imported string) (module, owner string) {
	for m, owner := range only {
		if inModules([]string{m}, imported) {
			return m, owner
		}
	}
	return "", ""
}

func inModules(modules []string, imported string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

// TestNoJSONBelowTheAPI: how the API shows something is its own affair. Packages below it neither import encoding/json nor
// tag fields for it, but for those whose own format is JSON: tokens and the keys for them, and the beats of nodes.
func TestNoJSONBelowTheAPI(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if _, ruled := allowed[name]; !ruled || !strings.HasPrefix(name, "engine/") || name == "engine/admin" || name == "engine/auth" || name == "engine/jwks" || name == "engine/directory" {
			continue
		}
		if slices.Contains(p.Imports, "encoding/json") {
			t.Errorf("%s imports encoding/json", name)
		}
	}
	files, err := filepath.Glob("shard/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), "`json:") {
			t.Errorf("%s has tags for JSON", file)
		}
	}
}
