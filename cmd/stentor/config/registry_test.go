package config

import (
	"strings"
	"testing"
)

const registryBase = "kafka: {brokers: [\"b:9092\"]}\ncluster: {key: " + clusterKey + "}\n"

func TestRegistry(t *testing.T) {
	r, err := LoadRegistry(write(t, "registry.yaml", registryBase+"listen: {client: \"127.0.0.1:9\"}\n"), []string{"STENTOR_LIMITS_BURST=7"}, []string{"limits.connections=5"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Listen.Client != "127.0.0.1:9" || r.Limits.Burst != 7 || r.Limits.Connections != 5 || r.Limits.RequestsPerSecond != 200 || r.Kafka.NodesTopic != "stentor.nodes" || r.Origins[0] != "*" {
		t.Errorf("%+v", r)
	}
	if key, err := r.ClusterKey(); string(key) != clusterKey || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	if cert, err := r.Certificate(); cert != nil || err != nil {
		t.Errorf("%v, %v", cert, err)
	}
	for text, want := range map[string]string{
		"":                                 "kafka.brokers: no broker",
		"kafka: {brokers: [\"b:9092\"]}\n": "cluster: no key",
		registryBase + "listn: {}\n":       "did you mean listen?",
		registryBase + "listen: {api: \"127.0.0.1:9\"}\n":                       "listen.api: unknown key here, it belongs in the configuration of a node",
		registryBase + "projects: {shop: {}}\n":                                 "projects: unknown key here, it belongs in the configuration of a node",
		registryBase + "origins: [shop]\n":                                      `origins: found "shop", allowed: an origin`,
		registryBase + "origins: [\"https://shop.example.com/\"]\n":             `found "https://shop.example.com/"`,
		registryBase + "listen: {trusted_proxies: [x]}\n":                       `listen.trusted_proxies: found "x"`,
		registryBase + "listen: {client: x}\n":                                  `listen.client: found "x"`,
		registryBase + "tls: {key_file: k}\n":                                   "tls: found only one of",
		registryBase + "limits: {burst: 0}\n":                                   "limits.burst: found \"0\", allowed: a whole number, 1 to 10000000",
		registryBase + "kafka: {brokers: [\"b:9092\"], nodes_topic: \"a b\"}\n": "kafka",
	} {
		if _, err := LoadRegistry(write(t, "registry.yaml", text), nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		} else if strings.Contains(err.Error(), clusterKey) {
			t.Errorf("%v shows the key", err)
		}
	}
	path := write(t, "registry.yaml", "kafka: {brokers: [\"b:9092\"]}\ncluster: {key_file: none}\ntls: {certificate_file: none, key_file: none}\n")
	if _, err := CheckRegistry(path, nil, nil); err == nil || strings.Count(err.Error(), "cannot be read") != 3 {
		t.Errorf("%v", err)
	}
}

func TestRegistryTemplate(t *testing.T) {
	text := RegistryTemplate()
	r, problems := assembleRegistry("registry.yaml", "", text, nil, nil)
	if err := problems.err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	r.walk(func(p place) {
		name := p.path[strings.LastIndexByte(p.path, '.')+1:]
		if strings.Count(string(text), "\n  "+name+":")+strings.Count(string(text), "\n"+name+":") == 0 {
			t.Errorf("%s is not there", p.path)
		}
	})
	for i, line := range strings.Split(string(text), "\n") {
		if len(line) > pageWidth {
			t.Errorf("line %d is too long", i+1)
		}
	}
}

// FuzzLoadRegistry: as FuzzLoad.
func FuzzLoadRegistry(f *testing.F) {
	for _, seed := range []string{registryBase, string(RegistryTemplate()), "origins: [*a]", "cluster: &a {<<: *a}", "kafka: {properties: {a: [b]}}", "tls: {key_file: \"\\0\"}", "- - -"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, problems := assembleRegistry("file", "", []byte(text), nil, nil)
		for _, p := range problems {
			if !strings.HasPrefix(p.Where, "file") || strings.ContainsAny(p.Text, "\n") {
				t.Errorf("%q", p)
			}
		}
	})
}
