package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStateDir(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	const kafka = "bus: kafka\nkafka: {brokers: [\"k:9092\"]}\nprojects: {shop: {anonymous: true}}\n"
	for _, c := range []struct {
		name, text  string
		environ     []string
		want, wrong string
	}{
		{name: "none", text: kafka},
		{name: "relative to the file", text: kafka + "node: {id: a, state_dir: state}", want: filepath.Join(dir, "state")},
		{name: "of systemd", text: kafka, environ: []string{"STATE_DIRECTORY=" + dir}, want: dir},
		{name: "several of systemd", text: kafka, environ: []string{"STATE_DIRECTORY=" + dir + ":/var/lib/other"}, want: dir},
		{name: "the key before systemd's", text: kafka + "node: {id: a, state_dir: " + dir + "}", environ: []string{"STATE_DIRECTORY=/none"}, want: dir},
		{name: "the embedded bus", text: "projects: {shop: {anonymous: true}}", environ: []string{"STATE_DIRECTORY=" + dir}},
		{name: "not there", text: kafka + "node: {id: a, state_dir: none}",
			wrong: `f.yaml:4: node.state_dir: found "none", which cannot be used: stat ` + dir + `/none: no such file or directory, allowed: a directory that the node may write to, of this node alone`},
		{name: "not there, of systemd", text: kafka, environ: []string{"STATE_DIRECTORY=/none"}, wrong: `STATE_DIRECTORY: node.state_dir: found "/none"`},
		{name: "a file", text: kafka + "node: {id: a, state_dir: plain}", wrong: `found "plain", which cannot be used: it is no directory`},
	} {
		cfg, err := load("f.yaml", dir, []byte(c.text), append(c.environ, "HOSTNAME=h"), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := cfg.StateDir()
		if (err == nil) != (c.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), c.wrong) && !strings.Contains(err.Error(), c.wrong) || err == nil && got != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// config check finds a directory that is not there, and one that nobody uses.
func TestStateDirIsChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yaml")
	text := "node: {id: a, state_dir: none}\nlisten: {client: \"127.0.0.1:0\"}\nprojects: {shop: {anonymous: true}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Check(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if all := cfg.Warnings(); len(all) != 1 || all[0].Key != stateDir {
		t.Error(all)
	}
	_, err = Check(file, nil, []string{"bus=kafka", "kafka.brokers=k:9092"})
	if err == nil || !strings.Contains(err.Error(), "node.state_dir: found \"none\"") {
		t.Error(err)
	}
}
