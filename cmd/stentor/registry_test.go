package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
	"stentor/kafka"
)

func TestRegistryConfigCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.yaml")
	if got := cli(t, "config", "init", "--registry", file); got.code != exitOK || !strings.Contains(got.err, "stentor registry --config") {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "config", "check", "--registry", file); got.code != exitFailure || !strings.Contains(got.err, "cluster.key_file: found \"cluster.key\", which cannot be read") {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "config", "check", "--registry", file, "--set", "cluster.key_file=", "--set", "cluster.key="+strings.Repeat("k", 32)); got.code != exitOK || !strings.HasSuffix(got.out, "is valid for a registry\n") {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "registry", "--config", filepath.Join(t.TempDir(), "none.yaml")); got.code != exitFailure {
		t.Errorf("%+v", got)
	}
}

// TestRegistryCommand runs a registry beside two nodes of a cluster for trying out, over https.
func TestRegistryCommand(t *testing.T) {
	key := strings.Repeat("k", 40)
	cluster := runCluster(t, 2, "cluster.key="+key, "advertise.clients=ws://push.example.com/ws")
	nodes := cluster.nodes
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadRegistry("", nil, []string{"listen.client=127.0.0.1:0", "kafka.brokers=" + cluster.broker, "cluster.key=" + key,
		"tls.certificate_file=" + cert, "tls.key_file=" + cert + ".key"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	logs, ended := &output{}, make(chan error, 1)
	go func() { ended <- runRegistry(ctx, cfg, logs, nil) }()
	url := regexp.MustCompile(`endpoints=(https://\S+)/v1/endpoints`)
	eventually(t, "no registry", func() bool { return url.MatchString(logs.String()) })
	base := url.FindStringSubmatch(logs.String())[1]
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: pair.Trusting()}}
	ask := func(path string) (int, string) {
		r, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	wantsTLS(t, strings.TrimPrefix(base, "https://"))
	eventually(t, "not ready", func() bool { code, _ := ask("/readyz"); return code == http.StatusOK })
	const both = `{"endpoints":["ws://push.example.com/ws","ws://push.example.com/ws"],"ttl_ms":10000,"spread_ms":0}` + "\n"
	eventually(t, "the nodes are not found", func() bool { _, text := ask("/v1/endpoints?n=2"); return text == both })
	if _, text := ask("/metrics"); !strings.Contains(text, "stentor_directory_candidates 2") {
		t.Error(text)
	}
	// The nodes answer the same, and list each other.
	eventually(t, "a node does not tell", func() bool { return get(t, nodes[0].api+"v1/endpoints?n=2") == both })
	var list result // of the other node, which hears of each a little later or earlier
	testkit.Eventually(t, patience, func() string { return fmt.Sprintf("both nodes in the list: %+v", list) }, func() bool {
		list = cli(t, "nodes", "--api", strings.TrimSuffix(nodes[1].api, "/"), "--key", "admin-key")
		return list.code == exitOK && strings.Contains(list.out, "dev-1    up     yes") && strings.Contains(list.out, "dev-2 *  up     yes")
	})
	cancel()
	if err := <-ended; err != nil || !strings.Contains(logs.String(), "msg=stopped") {
		t.Errorf("%v\n%s", err, logs)
	}
}

// A registry with the file of `config init` obeys it: pages of its origins may read the answer, trusted proxies say who asks,
// and it ends when it is told to.
func TestRegistryAsConfigured(t *testing.T) {
	broker, err := kafka.StartEmbedded(map[string]int{"stentor.nodes": 1, "stentor.push.demo": 1, "stentor.in.demo": 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	dir := t.TempDir()
	file, key := filepath.Join(dir, "registry.yaml"), strings.Repeat("k", 40)
	if err := os.WriteFile(filepath.Join(dir, "cluster.key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const page = "https://shop.example.com"
	settings := []string{"listen.client=127.0.0.1:0", "kafka.brokers=" + broker.Address(), "origins=" + page, "listen.trusted_proxies=127.0.0.0/8",
		"limits.requests_per_second=1", "limits.burst=1"}
	if got := cli(t, "config", "init", "--registry", file); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if got := cli(t, append([]string{"config", "check", "--registry", file}, setFlags(settings)...)...); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	cfg, err := config.LoadRegistry(file, nil, settings)
	if err != nil {
		t.Fatal(err)
	}
	startDev(t, "bus=kafka", "kafka.brokers="+broker.Address(), "cluster.key="+key)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	logs, ended, serves := &output{}, make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- runRegistry(ctx, cfg, logs, func(_ context.Context, r *registry) { serves <- r.listener.Addr().String() })
	}()
	var address string
	select {
	case address = <-serves:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, logs)
	}
	web := &http.Client{Timeout: patience}
	ask := func(client, origin string) *http.Response {
		r, err := http.NewRequest(http.MethodGet, "http://"+address+"/v1/endpoints", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", client)
		r.Header.Set("Origin", origin)
		got, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		return got
	}
	next := 0
	stranger := func() string { next++; return fmt.Sprintf("203.0.%d.%d", next>>8, next&255) }
	eventually(t, "the registry does not know the node", func() bool { return ask(stranger(), page).StatusCode == http.StatusOK })
	if got := ask(stranger(), page); got.Header.Get("Access-Control-Allow-Origin") != page || got.Header.Get("Vary") != "Origin" {
		t.Errorf("a page of an origin: %v", got)
	}
	if got := ask(stranger(), "https://evil.example"); got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another page: %v", got)
	}
	eventually(t, "one address may always ask", func() bool { return ask("198.51.100.7", page).StatusCode == http.StatusTooManyRequests })
	if got := ask(stranger(), page); got.StatusCode != http.StatusOK {
		t.Errorf("another address behind the proxy: %v", got)
	}

	cancel()
	if err := <-ended; err != nil || !strings.Contains(logs.String(), "msg=stopped") {
		t.Errorf("%v\n%s", err, logs)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it still takes connections")
	}
}
