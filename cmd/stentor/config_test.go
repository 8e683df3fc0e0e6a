package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
)

func TestConfigInit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stentor.yaml")
	printed := cli(t, "config", "init")
	if printed.code != exitOK || !strings.Contains(printed.out, "client_frame_bytes: 64KiB\n") {
		t.Errorf("%+v", printed)
	}
	if got := cli(t, "config", "init", name); got != (result{exitOK, "", "wrote " + name + "; start a node with: stentor serve --config " + name + "\n"}) {
		t.Errorf("%+v", got)
	}
	first := readFile(t, name)
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := cli(t, "config", "init", name); got != (result{exitFailure, "", "stentor config init: " + name + " already exists; --force replaces it\n"}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "config", "init", name, "--force"); got.code != exitOK || readFile(t, name) == first {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "config", "check", name); got != (result{exitOK, name + " is valid; projects: shop\n", ""}) {
		t.Errorf("%+v", got)
	}
}

func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "stentor.yaml")
	text := "limits: {headers: 1, heders: 2}\nprojects: {shop: {anonymous: true}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	line1 := name + `:1: limits.heders: unknown key, did you mean headers?`
	line2 := name + `:1: limits.headers: found "1", allowed: a whole number, 8 to 10000`
	if got := cli(t, "config", "check", name); got != (result{exitFailure, "", "stentor config check: " + line1 + "\n" + line2 + "\n"}) {
		t.Errorf("%+v", got)
	}

	got := cli(t, "config", "check", "--json", name)
	var r checkResult
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	want := checkResult{File: name, Projects: []string{}, Warnings: []config.Problem{}, Problems: []config.Problem{
		{Where: name + ":1", Key: "limits.heders", Text: "unknown key, did you mean headers?"},
		{Where: name + ":1", Key: "limits.headers", Text: `found "1", allowed: a whole number, 8 to 10000`},
	}}
	if !reflect.DeepEqual(r, want) || got.code != exitFailure || got.err != "stentor config check: 2 problems in "+name+"\n" {
		t.Errorf("%+v, %+v", r, got)
	}

	// The file that is taken without an argument, files that it names, --set and the environment.
	t.Chdir(dir)
	text = "admin_keys_file: none\nprojects: {shop: {keys: [{alg: ES256, file: none.pem}]}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := cli(t, "config", "check"); got.code != exitFailure || strings.Count(got.err, "cannot be read") != 2 ||
		!strings.Contains(got.err, "stentor.yaml:1: admin_keys_file: ") || !strings.Contains(got.err, "stentor.yaml:2: projects.shop.keys[0].file: ") {
		t.Errorf("%+v", got)
	}
	t.Setenv("STENTOR_PROJECTS_SHOP_ANONYMOUS", "true")
	if got := cli(t, "config", "check", "--json", "--set", "projects.shop.keys=[]", "--set", "admin_keys_file="); got != (result{exitOK, `{"file":"stentor.yaml","ok":true,"projects":["shop"],"problems":[],"warnings":[]}` + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "config", "check", "none.yaml"); got != (result{exitFailure, "", "stentor config check: none.yaml: no such file (\"stentor config init none.yaml\" writes one)\n"}) {
		t.Errorf("%+v", got)
	}
}

func TestVersion(t *testing.T) {
	version = "1.2.3"
	t.Cleanup(func() { version = "" })
	if got := cli(t, "version"); got.code != exitOK || !strings.HasPrefix(got.out, "stentor 1.2.3") {
		t.Errorf("%+v", got)
	}
	got := cli(t, "version", "--json")
	var b buildInfo
	if err := json.Unmarshal([]byte(got.out), &b); err != nil || b.Version != "1.2.3" || b.Go == "" || !strings.HasPrefix(b.Kafka, "2.") || b.Platform == "" {
		t.Errorf("%+v, %v", got, err)
	}
	version = ""
	if got := cli(t, "version"); got.code != exitOK || !strings.HasPrefix(got.out, "stentor ") {
		t.Errorf("%+v", got)
	}
}
