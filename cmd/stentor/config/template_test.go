package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestTemplateLoads(t *testing.T) {
	text := Template()
	c, err := load("stentor.yaml", "", text, []string{"HOSTNAME=h"}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if _, err := c.ProjectConfigs(); err != nil {
		t.Error(err)
	}

	// All but the example's keys are the defaults.
	shop := c.Projects["shop"]
	for _, secret := range []string{c.AdminKeys[0], shop.APIKeys[0], shop.Keys[0].Secret} {
		if len(secret) < 26 || strings.Count(string(text), secret) != 1 {
			t.Errorf("secret %q", secret)
		}
	}
	again, err := load("stentor.yaml", "", Template(), []string{"HOSTNAME=h"}, nil)
	if err != nil || again.AdminKeys[0] == c.AdminKeys[0] || again.Projects["shop"].Keys[0].Secret == shop.Keys[0].Secret {
		t.Errorf("the keys are the same again (%v)", err)
	}
	least, err := load("", "", []byte("projects: {shop: {anonymous: true}}"), []string{"HOSTNAME=h"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	example := map[string]bool{"admin_keys": true, "projects": true, "projects.shop.keys": true, "projects.shop.api_keys": true, "projects.shop.anonymous": true}
	want := make(map[string]any)
	least.walk(func(p place) { want[p.path] = p.value.Interface() })
	c.walk(func(p place) {
		if example[p.path] || strings.HasPrefix(p.path, "projects.shop.keys[") {
			return
		}
		got, def := p.value, reflect.ValueOf(want[p.path])
		if fmt.Sprint(got) != fmt.Sprint(def) {
			t.Errorf("%s: %v, its default is %v", p.path, got, def)
		}
	})
}

// TestTemplateIsComplete checks that every key stands in the template, with a comment of its own, and nowhere else.
func TestTemplateIsComplete(t *testing.T) {
	c, err := load("stentor.yaml", "", Template(), []string{"HOSTNAME=h"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(Template()), "\n")
	for i, line := range lines {
		if len(line) > pageWidth {
			t.Errorf("line %d is too long", i+1)
		}
	}
	for _, path := range paths(new(Config)) {
		path = strings.NewReplacer("NAME", "shop", "[]", "[0]").Replace(path)
		o, ok := c.origins[path]
		if !ok {
			t.Errorf("%s is not in the template", path)
			continue
		}
		if above := strings.TrimSpace(lines[o.line-2]); !strings.HasPrefix(above, "# ") || len(above) < 4 {
			t.Errorf("%s has no comment, but %q", path, above)
		}
	}
}

// TestTags checks what nothing else would notice: defaults and ranges that are no values of their keys.
func TestTags(t *testing.T) {
	seen := make(map[string]string)
	for _, path := range paths(new(Config)) {
		name := Variable(path)
		if seen[name] != "" {
			t.Errorf("%s and %s have the same environment variable", path, seen[name])
		}
		seen[name] = path
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Project](), reflect.TypeFor[Endpoint](), reflect.TypeFor[Key]()} {
		checkTags(t, typ)
	}
}

func checkTags(t *testing.T, typ reflect.Type) {
	for _, f := range fieldsOf(typ) {
		if f.doc == "" || !strings.ContainsAny(f.doc[len(f.doc)-1:], ".\"}:") {
			t.Errorf("%s: the comment %q", f.name, f.doc)
		}
		if f.typ.Kind() == reflect.Struct {
			checkTags(t, f.typ)
			continue
		}
		for _, text := range []string{f.def, f.low, f.high} {
			if v := reflect.New(f.typ).Elem(); text != "" && scalar(f.typ) && (!setText(v, text) || !f.inRange(v)) {
				t.Errorf("%s: %q is no value", f.name, text)
			}
		}
		switch f.typ.Kind() {
		case reflect.Int, reflect.Int64:
			if f.low == "" || f.high == "" || f.def == "" {
				t.Errorf("%s has no range or no default", f.name)
			}
		}
	}
}
