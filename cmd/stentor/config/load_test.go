package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// full is a file that uses most of the forms that are allowed.
const full = `
node: {id: ${HOSTNAME}}   # a variable in a flow mapping
listen:
  client: [0.0.0.0:8080, "[::]:8080"]
  api: 127.0.0.1:8081
  trusted_proxies: [127.0.0.1/32, 10.1.2.3]
endpoints: [{path: /ws, origins: [https://shop.example.com]}, {path: /blog, project: blog}]
limits: {connections: 1_000_000, client_frame_bytes: 128KiB, connect_timeout: 90}
history:
  window:
  bytes: 1GiB
projects:
  shop: &base
    anonymous: true
    api_keys: "one-${REGION}"
    issuer: "$${plain} $5 ${REGION}"
    destinations: plain
    subscribe: ["/topic/all/**", "/topic/u/{user}/**", "/user/**"]
    send: {"/topic/chat/**": push}
    slow: {policy: keep-latest, timeout: 45s}
  blog:
    <<: *base
    destinations: prefixed
    subscribe:
`

func TestLoad(t *testing.T) {
	c, err := load("stentor.yaml", "/etc", []byte(full), []string{"HOSTNAME=node-7", "REGION=eu"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name      string
		got, want any
	}{
		{"variable", c.Node.ID, "node-7"},
		{"list", c.Listen.Client, []string{"0.0.0.0:8080", "[::]:8080"}},
		{"grouped digits", c.Limits.Connections, 1_000_000},
		{"size", c.Limits.ClientFrameBytes, ByteSize(128 << 10)},
		{"plain duration", c.Limits.ConnectTimeout, Duration(90 * time.Second)},
		{"no value", c.History.Window, Duration(3 * time.Minute)},
		{"unit", c.History.Bytes, ByteSize(1 << 30)},
		{"default of another section", c.Drain.Chunk, 500},
		{"item's default", c.Endpoints[1], Endpoint{Path: "/blog", Project: "blog"}},
		{"one word as a list", c.Projects["shop"].APIKeys, []string{"one-eu"}},
		{"escaped variable", c.Projects["shop"].Issuer, "${plain} $5 eu"},
		{"mapping", c.Projects["shop"].Send, map[string]string{"/topic/chat/**": "push"}},
		{"nested", c.Projects["shop"].Slow, Slow{"keep-latest", Duration(45 * time.Second)}},
		{"merged", c.Projects["blog"].Slow, Slow{"keep-latest", Duration(45 * time.Second)}},
		{"default of a prefixed project", c.Projects["blog"].Subscribe, []string{"/topic/{project}/**", "/user/**"}},
		{"project's default", c.Projects["blog"].UserClaims, []string{"sub", "userName"}},
		{"relative file", c.File("shop.pem"), "/etc/shop.pem"},
		{"absolute file", c.File("/keys/shop.pem"), "/keys/shop.pem"},
		{"prefix and address", len(c.Listen.Proxies()), 2},
	} {
		if !reflect.DeepEqual(one.got, one.want) {
			t.Errorf("%s: %v, want %v", one.name, one.got, one.want)
		}
	}
}

func TestHostname(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	c, err := load("", "", []byte("node: {id: x-${HOSTNAME}}\nprojects: {a: {anonymous: true}}"), nil, nil)
	if err != nil || c.Node.ID != "x-"+host {
		t.Errorf("%v, %v", c, err)
	}
}

// base is the least that is valid; tables add a line to it.
const base = "projects: {shop: {anonymous: true}}\n"

// TestMistakes has, for each mistake, the exact text.
func TestMistakes(t *testing.T) {
	for _, one := range []struct {
		name, file string
		env, set   []string
		want       string
	}{
		{name: "empty file", want: `f: projects: no project, allowed: at least one ("stentor config init" prints an example)`},
		{name: "not YAML", file: "limits: [1,\nprojects: {}\n", want: `f:1: this is not YAML: sequence end token ']' not found`},
		{name: "two documents", file: base + "---\nnode: {}\n", want: "f:3: a second document, allowed: one"},
		{name: "a list", file: "- a\n", want: "f:1: found a list, allowed: a mapping with node, listen, tls, endpoints, sockjs, default_project, admin_keys, admin_keys_file, credentials, auth, heartbeat, history, bus, kafka, advertise, cluster, push, limits, drain, log, gc_percent, projects"},
		{name: "twice", file: base + "log: {}\nlog: {}\n", want: `f:3: this is not YAML: mapping key "log" already defined at [2:1]`},

		{name: "misspelt", file: base + "limits:\n  conections: 5\n", want: "f:3: limits.conections: unknown key, did you mean connections?"},
		{name: "elsewhere", file: base + "client_frame_bytes: 5\n", want: "f:2: client_frame_bytes: unknown key here, did you mean limits.client_frame_bytes?"},
		{name: "unknown", file: base + "drain:\n  zebra: 5\n", want: "f:3: drain.zebra: unknown key, allowed: timeout, chunk, interval"},
		{name: "a registry's, and a name of a node's elsewhere", file: base + "tls: {key_file: x}\n", want: "f:2: tls.key_file: unknown key here, it belongs in the configuration of a registry"},
		{name: "address and word", file: base + "listen: {client: [\"0.0.0.0:x tls\"]}\n", want: `f:2: listen.client: found "0.0.0.0:x tls", allowed: host:port, as in 0.0.0.0:8080 or [::]:8080`},
		{name: "host name", file: base + "listen: {client: [\"push.example.com:8080\"]}\n", want: `f:2: listen.client: listen on "push.example.com:8080": the host must be an IP address: ParseAddr("push.example.com"): unexpected character (at "push.example.com")`},
		{name: "a registry's", file: base + "limits: {burst: 5}\n", want: "f:2: limits.burst: unknown key here, it belongs in the configuration of a registry"},
		{name: "unknown in a project", file: "projects:\n  shop:\n    anonymus: true\n", want: "f:3: projects.shop.anonymus: unknown key, did you mean anonymous?"},
		{name: "unknown in an item", file: base + "endpoints:\n  - path: /ws\n    origin: ['*']\n", want: "f:4: endpoints[0].origin: unknown key, did you mean origins?"},
		{name: "in capitals", file: base + "Log: {level: info}\n", want: "f:2: Log: unknown key, did you mean log?"},

		{name: "size", file: base + "limits:\n  client_frame_bytes: 64kb\n", want: `f:3: limits.client_frame_bytes: found "64kb", allowed: bytes, also as 64KiB or 1MiB, 1KiB to 64MiB`},
		{name: "size too small", file: base + "limits:\n  client_frame_bytes: 5\n", want: `f:3: limits.client_frame_bytes: found "5", allowed: bytes, also as 64KiB or 1MiB, 1KiB to 64MiB`},
		{name: "size overflow", file: base + "limits: {client_frame_bytes: 9999999999999GiB}\n", want: `f:2: limits.client_frame_bytes: found "9999999999999GiB", allowed: bytes, also as 64KiB or 1MiB, 1KiB to 64MiB`},
		{name: "duration", file: base + "drain: {timeout: soon}\n", want: `f:2: drain.timeout: found "soon", allowed: a duration such as 500ms, 10s or 1m30s (a plain number is seconds), 0s to 1h`},
		{name: "duration in milliseconds", file: base + "heartbeat: {send: 10000}\n", want: `f:2: heartbeat.send: found "2h46m40s", allowed: a duration such as 500ms, 10s or 1m30s (a plain number is seconds), 0s to 10m`},
		{name: "number", file: base + "limits: {headers: many}\n", want: `f:2: limits.headers: found "many", allowed: a whole number, 8 to 10000`},
		{name: "fraction", file: base + "limits: {headers: 9.5}\n", want: `f:2: limits.headers: found "9.5", allowed: a whole number, 8 to 10000`},
		{name: "truth", file: "projects: {shop: {anonymous: yes}}\n", want: `f:1: projects.shop.anonymous: found "yes", allowed: true, false`},
		{name: "choice", file: base + "log: {level: loud}\n", want: `f:2: log.level: found "loud", allowed: debug, info, warn, error`},
		{name: "list for a word", file: base + "listen: {api: [a, b]}\n", want: "f:2: listen.api: found a list, allowed: a word"},
		{name: "mapping for a list", file: base + "listen: {client: {a: b}}\n", want: "f:2: listen.client: found a mapping, allowed: a word"},
		{name: "word for a section", file: base + "log: info\n", want: `f:2: log: found "info", allowed: a mapping with level, format`},
		{name: "word for a list of mappings", file: base + "endpoints: /ws\n", want: `f:2: endpoints: found "/ws", allowed: a list of mappings with path, origins, project, sockjs, compression, compression_webkit`},
		{name: "word for a mapping", file: "projects: {shop: {anonymous: true, send: push}}\n", want: `f:1: projects.shop.send: found "push", allowed: a mapping of patterns to ignore, push, forward, deny`},

		{name: "no variable", file: base + "node: {id: \"a-${NOWHERE}\"}\n", want: "f:2: node.id: found ${NOWHERE}, but the environment has no NOWHERE (write $${ for a plain ${)"},
		{name: "shell form", file: base + "node: {id: ${A:-b}}\n", want: "f:2: node.id: found ${A:-b}, allowed: ${NAME} with the name of an environment variable (write $${ for a plain ${)"},
		{name: "no anchor", file: base + "log: *nope\n", want: "f:2: log: no anchor &nope in the file"},
		{name: "alias to itself", file: base + "log: &a\n  <<: *a\n", want: "f:3: log: an alias that leads to itself"},

		{name: "environment value", file: base, env: []string{"STENTOR_LIMITS_HEADERS=x"}, want: `STENTOR_LIMITS_HEADERS: limits.headers: found "x", allowed: a whole number, 8 to 10000`},
		{name: "environment range", file: base, env: []string{"STENTOR_LIMITS_HEADERS=1"}, want: `STENTOR_LIMITS_HEADERS: limits.headers: found "1", allowed: a whole number, 8 to 10000`},
		{name: "environment name", file: base, env: []string{"STENTOR_LIMITS_HEADER=9"}, want: `STENTOR_LIMITS_HEADER: unknown environment variable, did you mean STENTOR_LIMITS_HEADERS?`},
		{name: "environment nonsense", file: base, env: []string{"STENTOR_ZZZZZZZZZZZZZ=9"}, want: `STENTOR_ZZZZZZZZZZZZZ: unknown environment variable ("stentor config init" prints every key)`},
		{name: "environment project", file: base, env: []string{"STENTOR_PROJECTS_BOOKSTORE_ANONYMOUS=true"}, want: `STENTOR_PROJECTS_BOOKSTORE_ANONYMOUS: unknown environment variable; it can name projects that are in the file: shop`},
		{name: "environment ambiguous", file: "projects: {a-b: {anonymous: true}, a_b: {anonymous: true}}\n", env: []string{"STENTOR_PROJECTS_A_B_ISSUER=x"}, want: `STENTOR_PROJECTS_A_B_ISSUER: this could be projects.a-b.issuer or projects.a_b.issuer; set it in the file, or with --set`},
		{name: "environment YAML", file: base, env: []string{"STENTOR_ENDPOINTS=[{path: /ws, orgins: []}]"}, want: `STENTOR_ENDPOINTS: endpoints[0].orgins: unknown key, did you mean origins?`},
		{name: "setting value", file: base, set: []string{"log.level=loud"}, want: `--set: log.level: found "loud", allowed: debug, info, warn, error`},
		{name: "setting name", file: base, set: []string{"log.levle=info"}, want: `--set: log.levle: unknown key, did you mean log.level?`},
		{name: "setting form", file: base, set: []string{"log.level"}, want: `--set: found "log.level", allowed: key.path=value, as in limits.connections=5000`},
		{name: "setting after the file", file: base + "log:\n  level: info\n", set: []string{"log.level=x"}, want: `--set: log.level: found "x", allowed: debug, info, warn, error`},

		{name: "node id", file: base + "node: {id: 'a b'}\n", want: `f:2: node.id: found "a b", allowed: 1 to 128 of the characters A-Z a-z 0-9 . _ -`},
		{name: "address", file: base + "listen:\n  client:\n    - 0.0.0.0:8080\n    - :8082\n", want: `f:5: listen.client[1]: found ":8082", allowed: host:port, as in 0.0.0.0:8080 or [::]:8080`},
		{name: "port", file: base + "listen: {api: 127.0.0.1:99999}\n", want: `f:2: listen.api: found "127.0.0.1:99999", allowed: host:port, as in 0.0.0.0:8080 or [::]:8080`},
		{name: "address twice", file: base + "listen: {client: 127.0.0.1:8081}\n", want: `f:2: listen.api: found "127.0.0.1:8081", which is listen.client already`},
		{name: "option of an address", file: base + "listen: {client: [\"127.0.0.1:1 proxy\"]}\n", want: `f:2: listen.client: found "proxy", allowed: host:port or unix:/path, optionally with tls and proxy_protocol, and for a Unix socket with mode=0660 and group=NAME`},
		{name: "proxies nobody trusts", file: base + "listen: {client: [\"127.0.0.1:1 proxy_protocol\"]}\n", want: `f:2: listen.client: found "127.0.0.1:1 proxy_protocol", which refuses every connection without listen.trusted_proxies`},
		{name: "Unix socket", file: base + "listen: {client: [\"unix:ws.sock\"]}\n", want: `f:2: listen.client: found "unix:ws.sock", allowed: unix: and the absolute path of a file`},
		{name: "Unix socket twice", file: base + "listen: {client: [\"unix:/a proxy_protocol\", \"unix:/a\"]}\n", want: `f:2: listen.client[1]: found "unix:/a", which is listen.client[0] already`},
		{name: "address twice, with an option", file: base + "listen: {client: [\"127.0.0.1:1 proxy_protocol\", \"127.0.0.1:1\"], trusted_proxies: 127.0.0.1}\n", want: `f:2: listen.client[1]: found "127.0.0.1:1", which is listen.client[0] already`},
		{name: "no address", file: base + "listen: {client: []}\n", want: `f:2: listen.client: no address, allowed: at least one, as in 0.0.0.0:8080`},
		{name: "proxy", file: base + "listen: {trusted_proxies: [10.0.0.0/33]}\n", want: `f:2: listen.trusted_proxies: found "10.0.0.0/33", allowed: an address or a network, as in 10.0.0.7 or 10.0.0.0/8`},
		{name: "endpoint path", file: base + "endpoints: [{path: ws}]\n", want: `f:2: endpoints[0].path: found "ws", allowed: a path such as /ws`},
		{name: "endpoint twice", file: base + "endpoints:\n- path: /ws\n- path: /ws\n", want: `f:4: endpoints[1].path: found "/ws" twice, allowed: a path of its own for each endpoint`},
		{name: "endpoint project", file: base + "endpoints: [{path: /ws, project: shp}]\n", want: `f:2: endpoints[0].project: found "shp", allowed: shop`},
		{name: "no endpoint", file: base + "endpoints: []\n", want: `f:2: endpoints: no endpoint, allowed: at least one, as in [{path: /ws}]`},
		{name: "default project", file: base + "default_project: demo\n", want: `f:2: default_project: found "demo", allowed: shop`},
		{name: "admin key", file: base + "admin_keys: ['pass word']\n", want: `f:2: admin_keys: found a value (not shown), allowed: a key of visible ASCII characters without spaces`},
		{name: "header name", file: base + "credentials: {token_header: 'a:b'}\n", want: `f:2: credentials.token_header: found "a:b", allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -`},
		{name: "same header", file: base + "credentials: {token_header: ProjectID}\n", want: `f:2: credentials.project_header: found "projectId", allowed: a name other than token_header`},
		{name: "compression of large frames", file: base + "endpoints: [{path: /ws}, {path: /m, compression: true}]\nlimits: {client_frame_bytes: 2MiB}\n", want: `f:3: limits.client_frame_bytes: found 2MiB, allowed with endpoints[1].compression: at most 1MiB`},
		{name: "compression for WebKit alone", file: base + "endpoints: [{path: /ws, compression_webkit: true}]\n", want: `f:2: endpoints[0].compression_webkit: found true, allowed only with compression: true`},
		{name: "frames larger than a session's share", file: base + "limits: {client_frame_bytes: 60MiB}\n", want: `f:2: limits.session_bytes: found "512MiB", allowed: at least twelve times limits.client_frame_bytes, which is 60MiB`},
		{name: "push larger than history", file: base + "limits: {push_bytes: 2MiB}\nhistory: {bytes: 1MiB}\n", want: `f:3: history.bytes: found "1MiB", allowed: at least limits.push_bytes, which is 2MiB`},

		{name: "project's name", file: "projects:\n  my/shop: {anonymous: true}\n", want: `f:2: projects.my/shop: found the name "my/shop", allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or a digit first`},
		{name: "nobody can connect", file: "projects:\n  shop:\n", want: `f:2: projects.shop.keys: no key, so that no client could connect, allowed: at least one key, or anonymous: true`},
		{name: "algorithm", file: "projects: {shop: {keys: [{alg: none, file: a.pem}]}}\n", want: `f:1: projects.shop.keys[0].alg: found "none", allowed: RS256, ES256, EdDSA, HS256`},
		{name: "no algorithm", file: "projects: {shop: {keys: [{file: a.pem}]}}\n", want: `f:1: projects.shop.keys[0].alg: missing, allowed: RS256, ES256, EdDSA, HS256`},
		{name: "no key file", file: "projects: {shop: {keys: [{alg: RS256}]}}\n", want: `f:1: projects.shop.keys[0]: no file, allowed for RS256: file, a PEM file with the public key`},
		{name: "secret of a public key", file: "projects: {shop: {keys: [{alg: RS256, secret: x}]}}\n", want: `f:1: projects.shop.keys[0]: found a secret, which only HS256 has, allowed for RS256: file`},
		{name: "provider over http", file: "projects: {shop: {keys: [{jwks_url: 'http://login.example.com/keys'}]}}\n", want: `f:1: projects.shop.keys[0].jwks_url: found "http://login.example.com/keys", allowed: https://HOST/PATH, or http:// to an address of this machine`},
		{name: "issuer of nothing", file: "projects: {shop: {keys: [{issuer_url: login}]}}\n", want: `f:1: projects.shop.keys[0].issuer_url: found "login", allowed: https://HOST/PATH, or http:// to an address of this machine`},
		{name: "two providers in one", file: "projects: {shop: {keys: [{jwks_url: 'https://a/', issuer_url: 'https://a/'}]}}\n", want: `f:1: projects.shop.keys[0]: found both jwks_url and issuer_url, allowed: one of them`},
		{name: "provider with a key", file: "projects: {shop: {keys: [{jwks_url: 'https://a/', alg: RS256}]}}\n", want: `f:1: projects.shop.keys[0]: found the URL of a provider beside a key of your own, allowed: an item of the list for each`},
		{name: "provider with secrets", file: "projects: {shop: {keys: [{jwks_url: 'https://a/', algorithms: [RS256, HS256]}]}}\n", want: `f:1: projects.shop.keys[0].algorithms[1]: found "HS256", allowed: RS256, ES256, EdDSA`},
		{name: "algorithms of a file", file: "projects: {shop: {keys: [{alg: RS256, file: a.pem, algorithms: [RS256]}]}}\n", want: `f:1: projects.shop.keys[0].algorithms: found ["RS256"], which only jwks_url and issuer_url have, allowed: alg`},
		{name: "short secret", file: "projects: {shop: {keys: [{alg: HS256, secret: hunter2}]}}\n", want: `f:1: projects.shop.keys[0].secret: found a secret of 7 bytes, allowed: at least 32`},
		{name: "two secrets", file: "projects: {shop: {keys: [{alg: HS256, secret: x, secret_file: x}]}}\n", want: `f:1: projects.shop.keys[0]: found both secret_file and secret, allowed for HS256: either secret_file or secret`},
		{name: "no secret", file: "projects: {shop: {keys: [{alg: HS256}]}}\n", want: `f:1: projects.shop.keys[0]: found neither secret_file nor secret, allowed for HS256: either secret_file or secret`},
		{name: "public key with HS256", file: "projects: {shop: {keys: [{alg: HS256, file: a.pem}]}}\n", want: `f:1: projects.shop.keys[0].file: found "a.pem", but HS256 has no public key, allowed: secret_file or secret`},
		{name: "kid twice", file: "projects:\n  shop:\n    keys:\n      - {kid: a, alg: RS256, file: a}\n      - {kid: a, alg: RS256, file: b}\n", want: `f:5: projects.shop.keys[1].kid: found "a" twice, allowed: another kid for each key`},
		{name: "plain without subscribe", file: "projects:\n  shop: {anonymous: true, destinations: plain}\n", want: `f:2: projects.shop.subscribe: missing, allowed: what clients of a plain project may subscribe to, as in ["/topic/all/**", "/user/**"]`},
		{name: "send action", file: "projects:\n  shop:\n    anonymous: true\n    send:\n      /topic/shop/**: publish\n", want: `f:5: projects.shop.send./topic/shop/**: found "publish", allowed: ignore, push, forward, deny`},
		{name: "send pattern", file: "projects:\n  shop:\n    anonymous: true\n    send:\n      topic: push\n", want: `f:5: projects.shop.send.topic: found "topic", allowed: a pattern that begins with /`},
		{name: "forward without Kafka", file: "projects:\n  shop:\n    anonymous: true\n    send:\n      /app/**: forward\n", want: `f:5: projects.shop.send./app/**: found "forward", which only bus: kafka has, allowed: ignore, push, deny`},
		{name: "Kafka without brokers", file: base + "bus: kafka\n", want: `f: kafka.brokers: no broker, allowed: at least one, as in [kafka-1:9092]`},
		{name: "broker", file: base + "bus: kafka\nkafka: {brokers: kafka-1}\n", want: `f:3: kafka.brokers: found "kafka-1", allowed: host:port, as in kafka-1:9092`},
		{name: "Kafka's property", file: base + "kafka:\n  properties: {acks: 1}\n", want: `f:3: kafka.properties: acks cannot be set: an answered push is on all in-sync replicas`},
		{name: "topic twice", file: "bus: kafka\nkafka: {brokers: k:1}\nprojects:\n  a: {anonymous: true, topic: t}\n  b: {anonymous: true, topic: t}\n", want: `f:5: projects.b: its topic is "t", which is projects.a already, allowed: a topic of its own`},
		{name: "no claim", file: "projects: {shop: {anonymous: true, user_claims: []}}\n", want: `f:1: projects.shop.user_claims: no claim, allowed: at least one, as in [sub]`},

		{name: "all at once, in the order of the file",
			file: "limits:\n  headers: 1\n  heders: 2\nlog: {level: loud}\nprojects:\n  shop: {anonymous: maybe}\n",
			env:  []string{"STENTOR_LOG_FORMAT=xml"},
			set:  []string{"x=y"},
			want: `f:2: limits.headers: found "1", allowed: a whole number, 8 to 10000
f:3: limits.heders: unknown key, did you mean headers?
f:4: log.level: found "loud", allowed: debug, info, warn, error
f:6: projects.shop.anonymous: found "maybe", allowed: true, false
--set: x: unknown key ("stentor config init" prints every key)
STENTOR_LOG_FORMAT: log.format: found "xml", allowed: text, json`},
	} {
		t.Run(one.name, func(t *testing.T) {
			_, err := load("f", "", []byte(one.file), append(one.env, "HOSTNAME=h"), one.set)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if err.Error() != one.want {
				t.Errorf("\n%s\nwant\n%s", err, one.want)
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Errorf("a %T", err)
			}
		})
	}
}

// TestOtherPackages has the mistakes whose text comes from the packages that use the value.
func TestOtherPackages(t *testing.T) {
	for _, one := range []struct{ file, want string }{
		{base + "endpoints: [{path: /ws, origins: [shop.example.com]}]\n", `f:2: endpoints[0].origins: origin "shop.example.com": `},
		{"projects:\n  shop:\n    anonymous: true\n    subscribe:\n      - /user/**\n      - /topic/{nobody}\n", `f:6: projects.shop.subscribe[1]: rule "/topic/{nobody}": `},
		{"projects:\n  shop:\n    anonymous: true\n    send: {/a/**/b/**: push}\n", `f:4: projects.shop.send./a/**/b/**: rule "/a/**/b/**": `},
	} {
		_, err := load("f", "", []byte(one.file), []string{"HOSTNAME=h"}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), one.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v\nwant it to begin with\n%s", err, one.want)
		}
	}
}

func TestEnvironmentAndSettings(t *testing.T) {
	file := "limits: {headers: 10, patterns: 10, subscriptions: 10}\nprojects:\n  shop: {anonymous: true}\n  a-b: {anonymous: true}\n"
	c, err := load("f", "", []byte(file), []string{
		"STENTOR_LIMITS_HEADERS=20",
		"STENTOR_LIMITS_PATTERNS=20",
		"STENTOR_LIMITS_CLIENT_FRAME_BYTES=1MiB",
		"STENTOR_LISTEN_CLIENT=127.0.0.1:1, [::1]:2",
		"STENTOR_LISTEN_TRUSTED_PROXIES=",
		"STENTOR_ENDPOINTS=[{path: /a}, {path: /b, origins: ['*']}]",
		"STENTOR_PROJECTS_SHOP_ANONYMOUS=false",
		"STENTOR_PROJECTS_SHOP_KEYS=[{alg: RS256, file: a.pem}]",
		"STENTOR_PROJECTS_A_B_ISSUER=https://login.example.com/?a=b",
		"STENTOR_PROJECTS_A_B_SEND={\"/topic/x\": deny}",
		"STENTOR_PROJECTS_A_B_LIMITS_CONNECTIONS=7",
		"STENTOR_API_KEY=of-another-command", "STENTOR_TOKEN=too",
		"STENTOR_SERVICE_HOST=10.0.0.1", "STENTOR_SERVICE_PORT_HTTP=8080", "STENTOR_PORT=tcp://10.0.0.1:8080",
		"STENTOR_PORT_8080_TCP_ADDR=10.0.0.1", "STENTOR_API_PORT_8081_TCP=tcp://10.0.0.1:8081",
		"STENTORIAN=1", "HOSTNAME=h",
	}, []string{"limits.patterns=30", "projects.a-b.issuer=x", "projects.a-b.subscribe=/topic/a-b/x,/user/**"})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name      string
		got, want any
	}{
		{"file", c.Limits.Subscriptions, 10},
		{"environment", c.Limits.Headers, 20},
		{"setting", c.Limits.Patterns, 30},
		{"long name", c.Limits.ClientFrameBytes, ByteSize(1 << 20)},
		{"list", c.Listen.Client, []string{"127.0.0.1:1", "[::1]:2"}},
		{"empty list", c.Listen.TrustedProxies, []string{}},
		{"list of mappings", c.Endpoints, []Endpoint{{Path: "/a"}, {Path: "/b", Origins: []string{"*"}}}},
		{"project", c.Projects["shop"].Anonymous, false},
		{"project's keys", c.Projects["shop"].Keys, []Key{{Alg: "RS256", File: "a.pem"}}},
		{"project's mapping", c.Projects["a-b"].Send, map[string]string{"/topic/x": "deny"}},
		{"project's section", c.Projects["a-b"].Limits.Connections, 7},
		{"setting over environment", c.Projects["a-b"].Issuer, "x"},
		{"setting of a list", c.Projects["a-b"].Subscribe, []string{"/topic/a-b/x", "/user/**"}},
	} {
		if !reflect.DeepEqual(one.got, one.want) {
			t.Errorf("%s: %v, want %v", one.name, one.got, one.want)
		}
	}
}

// TestEnvironmentAlone: a container needs no file.
func TestEnvironmentAlone(t *testing.T) {
	c, err := Load("", []string{"STENTOR_PROJECTS={shop: {anonymous: true}}", "STENTOR_PROJECTS_SHOP_API_KEYS=a,b", "STENTOR_NODE_ID=n"}, nil)
	if err != nil || c.Projects["shop"].APIKeys[1] != "b" || c.File("x") != "x" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNoFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	_, err := Load(name, nil, nil)
	if want := name + `: no such file ("stentor config init ` + name + `" writes one)`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = LoadRegistry(name, nil, nil)
	if want := name + `: no such file ("stentor config init --registry ` + name + `" writes one)`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	file := "admin_keys: {hunter: 2}\nprojects:\n  shop:\n    api_keys: ['hunter 2']\n    keys: [{alg: HS256, secret: hunter2}]\n"
	_, err := load("f", "", []byte(file), []string{"STENTOR_ADMIN_KEYS=hunter\u00e42"}, nil)
	if err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v", err)
	}
}

func TestDev(t *testing.T) {
	c := Dev()
	p := c.Projects["demo"]
	if c.Listen.Client[0] != "127.0.0.1:8080" || c.Listen.API != "127.0.0.1:8081" || c.Endpoints[0].Origins[0] != "loopback" ||
		!p.Anonymous || !p.Patterns || p.APIKeys[0] != "demo-key" || c.AdminKeys[0] != "admin-key" || p.Send["/topic/demo/**"] != "push" {
		t.Errorf("%+v %+v", c, p)
	}
	for set, want := range map[string]string{
		"listen.client=127.0.0.2:9000": "",
		"listen.client=[::1]:9000":     "",
		"listen.api=localhost:0":       "",
		"listen.client=unix:/s":        "",
		"listen.client=0.0.0.0:8080":   `--set: listen.client: found "0.0.0.0:8080", allowed with --dev: a loopback address, as in 127.0.0.1:8080`,
		"listen.api=192.0.2.1:80":      `--set: listen.api: found "192.0.2.1:80", allowed with --dev: a loopback address, as in 127.0.0.1:8080`,
	} {
		_, err := LoadDev(nil, []string{set})
		if got := errorText(err); got != want {
			t.Errorf("%s: %s, want %s", set, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
