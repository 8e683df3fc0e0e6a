package config

import (
	"crypto/tls"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"stentor/engine/certs"
)

// Registry is the configuration of a registry. Its tags are those of Config.
type Registry struct {
	Listen  RegistryListen  `key:"listen" doc:"Where clients ask."`
	TLS     RegistryTLS     `key:"tls" doc:"Certificate for https. Without one the registry uses http, for a proxy in front of it, or for trials."`
	Origins []string        `key:"origins" default:"*" doc:"Origins of the web pages that may read the answer, as in [\"https://shop.example.com\"], or \"*\" for any: the answer is public."`
	Kafka   RegistryKafka   `key:"kafka" doc:"The Kafka of the nodes. The registry reads kafka.nodes_topic and nothing else; its user needs the ACL Read there."`
	Cluster RegistryCluster `key:"cluster" doc:"What the registry has in common with the nodes."`
	Limits  RegistryLimits  `key:"limits" doc:"Bounds."`
	Drain   RegistryDrain   `key:"drain" doc:"How the registry leaves after SIGTERM."`
	Log     Log             `key:"log" doc:"What the registry writes to its standard error."`

	source
}

// RegistryListen has the address of the listener.
type RegistryListen struct {
	Client         string   `key:"client" default:"0.0.0.0:8090" doc:"Address for clients: host:port. /healthz, /readyz and /metrics are there as well."`
	TrustedProxies []string `key:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) of the proxies that may say which address a client has (X-Forwarded-For)."`
}

// RegistryTLS has the names of the certificate's files.
type RegistryTLS struct {
	CertificateFile string `key:"certificate_file" file:"yes" doc:"PEM file with the certificate and its chain. It is read again every few seconds, and at SIGHUP."`
	KeyFile         string `key:"key_file" file:"yes" doc:"PEM file with its private key."`
}

// RegistryKafka says where the nodes beat.
type RegistryKafka struct {
	Brokers    []string          `key:"brokers" doc:"Addresses of some of the brokers, as in [kafka-1:9092, kafka-2:9092]."`
	Properties map[string]string `key:"properties" secret:"yes" doc:"Any properties of librdkafka, as for a node."`
	NodesTopic string            `key:"nodes_topic" default:"stentor.nodes" doc:"The topic with the heartbeats of the nodes."`
	Lateness   Duration          `key:"lateness" default:"10s" range:"0s..1h" doc:"Nodes that are further behind than this are returned after all others. 0: no check."`
}

// RegistryCluster has the cluster's key.
type RegistryCluster struct {
	Key     string `key:"key" secret:"yes" doc:"The cluster.key of the nodes. Only nodes that have it are returned to clients."`
	KeyFile string `key:"key_file" file:"yes" doc:"A file whose content, without a newline at its end, is the key."`
}

// RegistryLimits has the bounds.
type RegistryLimits struct {
	Connections       int `key:"connections" default:"10000" range:"2..1000000" doc:"Open connections. Above it, those that have waited the longest are closed."`
	RequestsPerSecond int `key:"requests_per_second" default:"200" range:"1..1000000" doc:"Requests a second from one address (IPv6: one /64). A carrier may have thousands of clients behind one address; each asks once for each connection. More are answered with 429."`
	Burst             int `key:"burst" default:"2000" range:"1..10000000" doc:"How many of these may arrive at once."`
}

// RegistryDrain bounds the shutdown.
type RegistryDrain struct {
	Timeout Duration `key:"timeout" default:"10s" range:"0s..1h" doc:"Time for the answers in progress."`
}

// LoadRegistry is Load for a registry.
func LoadRegistry(path string, environ, settings []string) (*Registry, error) {
	text, err := readConfig(path, "config init --registry")
	if err != nil {
		return nil, err
	}
	r, problems := assembleRegistry(path, filepath.Dir(path), text, environ, settings)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return r, nil
}

// CheckRegistry is Check for a registry.
func CheckRegistry(path string, environ, settings []string) (*Registry, error) {
	text, err := readConfig(path, "config init --registry")
	if err != nil {
		return nil, err
	}
	r, problems := assembleRegistry(path, filepath.Dir(path), text, environ, settings)
	_, key := r.ClusterKey()
	_, cert := r.Certificate()
	return r, Join(problems.err(), key, cert)
}

func assembleRegistry(where, dir string, text []byte, environ, settings []string) (*Registry, Problems) {
	r := &Registry{source: source{dir: dir}}
	setDefaults(reflect.ValueOf(r).Elem())
	problems := fill(r, reflect.ValueOf(r).Elem(), where, text, environ, settings)
	return r, append(problems, r.validate(len(problems) > 0)...)
}

func (r *Registry) walk(fn func(place)) { walk(reflect.ValueOf(r).Elem(), "", fn) }

// ProjectNames returns none: a registry has no projects.
func (r *Registry) ProjectNames() []string { return nil }

// Proxies returns trusted_proxies as networks.
func (l *RegistryListen) Proxies() []netip.Prefix { return prefixes(l.TrustedProxies) }

func (r *Registry) validate(partial bool) Problems {
	v := checker{src: &r.source, partial: partial}
	r.walk(v.single)
	if !hostAndPort.MatchString(r.Listen.Client) && !strings.HasPrefix(r.Listen.Client, ":") {
		v.bad("listen.client", "found %q, allowed: host:port, as in 0.0.0.0:8090", r.Listen.Client)
	}
	v.proxies(r.Listen.TrustedProxies)
	if (r.TLS.CertificateFile == "") != (r.TLS.KeyFile == "") {
		v.bad("tls", "found only one of certificate_file and key_file, allowed: both, or neither")
	}
	for i, text := range r.Origins {
		if !isOrigin(text) {
			v.bad(v.src.itemPath("origins", i), "found %q, allowed: an origin as in https://shop.example.com, or *", text)
		}
	}
	v.brokers(r.Kafka.Brokers)
	v.properties(r.Kafka.Properties)
	if !topicName.MatchString(r.Kafka.NodesTopic) {
		v.bad("kafka.nodes_topic", "found %q, allowed: 1 to 249 of the characters A-Z a-z 0-9 . _ -", r.Kafka.NodesTopic)
	}
	v.key(r.cluster())
	if r.Cluster.Key == "" && r.Cluster.KeyFile == "" {
		v.missing("cluster", "no key, without which no node can be told from a forged one, allowed: key_file or key, the one of the nodes")
	}
	return v.problems
}

// isOrigin reports whether text is what browsers send as Origin.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return text == "*" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Scheme+"://"+u.Host == text && text == strings.ToLower(text) && u.Hostname() != ""
}

func (r *Registry) cluster() *Cluster {
	return &Cluster{Key: r.Cluster.Key, KeyFile: r.Cluster.KeyFile}
}

// ClusterKey reads the key.
func (r *Registry) ClusterKey() ([]byte, error) {
	v := checker{src: &r.source}
	key := v.readKey(r.cluster())
	return key, v.problems.err()
}

// CertsOptions are the options for certs.Load; ok is false without a certificate.
func (r *Registry) CertsOptions() (o certs.Options, ok bool) {
	if r.TLS.CertificateFile == "" || r.TLS.KeyFile == "" {
		return o, false
	}
	return certs.Options{Pairs: []certs.Pair{{Cert: r.File(r.TLS.CertificateFile), Key: r.File(r.TLS.KeyFile)}}, MinVersion: tls.VersionTLS12}, true
}

// Certificate reads the certificate; nil when there is none.
func (r *Registry) Certificate() (*certs.Certs, error) {
	o, ok := r.CertsOptions()
	if !ok {
		return nil, nil
	}
	v := checker{src: &r.source}
	v.read("tls.certificate_file", r.TLS.CertificateFile)
	v.read("tls.key_file", r.TLS.KeyFile)
	if len(v.problems) > 0 {
		return nil, v.problems.err()
	}
	c, err := certs.Load(o)
	if err != nil {
		v.bad("tls", "%v", err)
		return nil, v.problems.err()
	}
	return c, nil
}

// Dated warns of a certificate that has had its time, or soon will.
func (r *Registry) Dated(now time.Time) []Problem {
	v := checker{src: &r.source}
	if served, err := r.Certificate(); err == nil && served != nil {
		v.dated("tls.certificate_file", r.TLS.CertificateFile, served.Leaves()[0], now)
	}
	return v.problems
}

const registryHead = `# Configuration of a registry of Stentor, which tells clients where to connect. Every key is here, with its default
# unless it is an example.
#
# Check a change with          stentor config check --registry FILE
# and start the registry with  stentor registry --config FILE
`

// RegistryTemplate returns a complete, commented configuration file of a registry.
func RegistryTemplate() []byte {
	sample := new(Registry)
	setDefaults(reflect.ValueOf(sample).Elem())
	sample.Kafka.Brokers = []string{"127.0.0.1:9092"}
	sample.Cluster.KeyFile = "cluster.key"
	t := template{}
	t.WriteString(registryHead)
	t.WriteString(templateRest)
	t.structure(reflect.ValueOf(sample).Elem(), 0)
	return t.Bytes()
}
