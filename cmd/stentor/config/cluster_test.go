package config

import (
	"strings"
	"testing"
)

const clusterKey = "0123456789abcdef0123456789abcdef"

func TestCluster(t *testing.T) {
	for text, want := range map[string]string{
		"advertise: {clients: [\"wss://a/ws\", \"ws://b:8080/ws\"], api: \"http://10.0.0.5:8081\"}\ncluster: {key: " + clusterKey + "}\n": "",
		"advertise: {clients: \"wss://a/ws\"}\n":                         "",
		"advertise: {clients: [wss://a/ws, https://b/ws]}\n":             `advertise.clients[1]: found "https://b/ws": it does not begin with ws:// or wss://, allowed: an address as in wss://push-1.example.com/ws`,
		"advertise: {clients: [" + strings.Repeat("ws://a,", 9) + "]}\n": "advertise.clients: found 9 addresses, allowed: at most 8",
		"advertise: {api: 10.0.0.5:8081}\n":                              `advertise.api: found "10.0.0.5:8081": it is no address, allowed: an address as in http://10.0.0.5:8081`,
		"cluster: {key: short}\n":                                        "cluster.key: found a key of 5 bytes, allowed: at least 32",
		"cluster: {key: " + clusterKey + ", key_file: k}\n":              "cluster: found both key and key_file, allowed: only one of them",
	} {
		_, err := Load(write(t, "stentor.yaml", "projects: {a: {anonymous: true}}\n"+text), nil, nil)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v\nwant %s", text, err, want)
		case err != nil && strings.Contains(err.Error(), clusterKey):
			t.Errorf("%v shows the key", err)
		}
	}
}

func TestClusterSecrets(t *testing.T) {
	load := func(text string, files ...string) *Config {
		t.Helper()
		cfg, err := Load(write(t, append([]string{"stentor.yaml", "projects: {a: {anonymous: true}}\n" + text}, files...)...), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	key, ca, err := load("cluster: {key_file: k}\n", "k", clusterKey+"\n").ClusterSecrets()
	if string(key) != clusterKey || ca != nil || err != nil {
		t.Errorf("%q, %v, %v", key, ca, err)
	}
	if key, _, err := load("").ClusterSecrets(); len(key) > 0 || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	for text, want := range map[string]string{
		"cluster: {key_file: none}\n":  "cannot be read",
		"cluster: {key_file: short}\n": `found a key of 5 bytes in "short", allowed: at least 32`,
		"cluster: {ca: none}\n":        "cannot be read",
		"cluster: {ca: short}\n":       "has no certificate",
	} {
		cfg := load(text, "short", "short")
		if _, _, err := cfg.ClusterSecrets(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := Check(cfg.origins[""].where, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("config check of %s: %v", text, err)
		}
	}
}

func TestClusterWarnings(t *testing.T) {
	const kafka = "bus: kafka\nkafka: {brokers: [\"b:9092\"]}\nprojects: {a: {anonymous: true}}\nlisten: {names: [push.example.com]}\n"
	const there = "advertise: {clients: [wss://push-1.example.com/ws]}\n"
	const origins = "endpoints: [{path: /ws, origins: [\"https://shop.example.com\"]}]\n"
	const key = "cluster: {key: " + clusterKey + "}\n"
	sockJS := func(path string) string {
		return "endpoints: [{path: " + path + ", origins: [\"https://shop.example.com\"], sockjs: true}]\n"
	}
	for text, want := range map[string]string{
		"projects: {a: {anonymous: true}}\n":                 "",
		kafka:                                                "advertise.clients",
		kafka + there + origins:                              "cluster",
		kafka + there + key:                                  "endpoints[0].origins",
		kafka + there:                                        "cluster endpoints[0].origins",
		kafka + there + key + origins:                        "",
		kafka + there + key + sockJS("/ws"):                  "",
		kafka + there + key + sockJS("/s"):                   "endpoints[0].sockjs",
		kafka + sockJS("/ws"):                                "advertise.clients endpoints[0].sockjs",
		"projects: {a: {anonymous: true}}\n" + sockJS("/ws"): "",
	} {
		cfg, err := Load(write(t, "stentor.yaml", text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, w := range cfg.Warnings() {
			if !strings.Contains(w.Text, "every user of this host") {
				keys = append(keys, w.Key)
			}
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
