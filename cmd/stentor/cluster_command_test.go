package main

import (
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
)

// A node whose id or address --set gave would be one with all others: the start would fail, or the printed commands be wrong.
func TestClusterKeepsItsOwnKeys(t *testing.T) {
	for _, key := range own {
		got := cli(t, "cluster", "--dev", "--set", key+"=x")
		if got.code != exitUsage || !strings.Contains(got.err, "--set: found "+key+", which the cluster sets itself") {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

// What is printed when the registry has ended starts it where it was.
func TestClusterCommandOfTheRegistry(t *testing.T) {
	t.Parallel()
	c := &devCluster{cfg: &config.Config{}, plan: clusterPlan{nodes: 2, port: 8080, key: strings.Repeat("k", 32), broker: "127.0.0.1:9"}}
	c.cfg.Kafka.NodesTopic, c.cfg.Log.Level, c.cfg.Log.Format = "beats", "warn", "text"
	c.registry = &member{name: "registry", at: addresses{API: "http://127.0.0.1:8084/"}}
	said := c.consequence(c.registry)
	_, command, _ := strings.Cut(said, "It starts again with\n\n  ")
	words := strings.Fields(command)
	if len(words) < 6 || words[2] != "registry" || words[3] != "--config" || words[4] != "''" {
		t.Fatal(said)
	}
	var settings []string
	for i := 5; i+1 < len(words); i += 2 {
		settings = append(settings, words[i+1])
	}
	r, err := config.LoadRegistry("", words[:1], settings)
	if err != nil {
		t.Fatal(said, err)
	}
	if r.Listen.Client != "127.0.0.1:8084" || r.Kafka.Brokers[0] != "127.0.0.1:9" || r.Kafka.NodesTopic != "beats" || r.Cluster.Key != c.plan.key || r.Log.Level != "warn" {
		t.Errorf("%+v", r)
	}
}
