package server

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/stomp"
)

// What the server's configuration sets, and clients and pushes use.
const (
	Project = "bench"
	Topic   = "/topic/bench/all"
	Queue   = "/user/queue/bench"
	Path    = "/ws"
	keyID   = "bench"
)

// Credentials of a run.
type Credentials struct {
	APIKey string
	Secret string // of HS256
}

// NewCredentials makes new ones.
func NewCredentials() Credentials { return Credentials{rand.Text(), rand.Text() + rand.Text()} }

// Config is what a measurement sets. Everything else keeps its default, except what a server requires.
type Config struct {
	Credentials Credentials
	// SlowTimeout is how long a client may read nothing, 0 for the default.
	SlowTimeout time.Duration
	// HistoryBytes is how much is kept for resuming clients, 0 for the default.
	HistoryBytes int64
	// Listen are further listeners for clients besides Server.Client, in the configuration's form.
	Listen []string
	// Trusted are the addresses of proxies.
	Trusted []netip.Addr
	// ClusterKey seals the server's announcements to other nodes, which have its addresses. Empty: it announces nothing.
	ClusterKey string
	// AdminKey may do what concerns all projects. Empty: nobody may.
	AdminKey string
	// DrainChunk is how many clients a leaving server closes in a tenth of a second, 0 for the default.
	DrainChunk int
	// Window is how long a push is kept, 0 for the default.
	Window time.Duration
	// StateDir is for what the server knows of quiet destinations over a restart. Empty: nothing is kept.
	StateDir string
	// Host is where the server listens, 127.0.0.1 when it is not valid.
	Host netip.Addr
	// Within, when it is set, calls what chooses the server's ports and starts it, for a network of its own.
	Within func(func() error) error
	// Certificate is the file of a certificate, with its key in that name and ".key", for listeners with tls; Records is
	// tls.records, "" for the default.
	Certificate, Records string
	// CipherBytes is tls.cipher_bytes, "" for the default.
	CipherBytes string
	// Endpoint are further keys of its endpoint, as "sockjs: true".
	Endpoint string
	// Keys are the project's, in the configuration's form; empty: the secret of the Credentials. Projects are further ones, by
	// their names, in that form too.
	Keys     string
	Projects map[string]string
	// Kafka is nil for the embedded bus.
	Kafka *Kafka
}

// Kafka is the bus of a server.
type Kafka struct {
	Node       string   // the server's id
	Brokers    []string // host:port
	Topic      string   // of the project
	NodesTopic string
}

var configTemplate = template.Must(template.New("").Funcs(template.FuncMap{"yaml": quote}).Parse(`{{- with .Kafka -}}
node: {id: {{yaml .Node}}{{with $.StateDir}}, state_dir: {{yaml .}}{{end}}}
bus: kafka
kafka: {brokers: {{yaml .Brokers}}, nodes_topic: {{yaml .NodesTopic}}}
{{- else -}}
node: {id: bench}
{{- end}}
{{- with .ClusterKey}}
cluster: {key: {{yaml .}}}
advertise: {clients: [{{yaml $.ClientURL}}], api: {{yaml $.APIURL}}}
{{- end}}
{{- with .AdminKey}}
admin_keys: [{{yaml .}}]
{{- end}}
{{- with .DrainChunk}}
drain: {chunk: {{.}}, interval: 100ms}
{{- end}}
{{- if or .HistoryBytes .Window}}
history: { {{- with .HistoryBytes}}bytes: {{.}}{{end}}{{if and .HistoryBytes .Window}}, {{end}}{{with .Window}}window: {{.}}{{end -}} }
{{- end}}
listen:
  client: {{yaml .Clients}}
  api: {{yaml .API}}
{{- with .Trusted}}
  trusted_proxies: {{yaml .}}
{{- end}}
{{- with .Certificate}}
tls: {certificates: [{cert: {{yaml .}}, key: {{yaml (print . ".key")}}}]{{with $.Records}}, records: {{.}}{{end}}{{with $.CipherBytes}}, cipher_bytes: {{.}}{{end -}} }
{{- end}}
endpoints: [{path: {{yaml .Path}}{{with .Endpoint}}, {{.}}{{end}}}]
projects:
{{- range $name, $keys := .Projects}}
  {{$name}}: { {{- $keys -}} }
{{- end}}
  {{.Project}}:
    anonymous: true
    api_keys: [{{yaml .APIKey}}]
{{- with .Keys}}
    keys: {{.}}
{{- else}}
    keys: [{kid: {{yaml .KeyID}}, alg: HS256, secret: {{yaml .Secret}}}]
{{- end}}
{{- with .SlowTimeout}}
    slow: {policy: disconnect, timeout: {{.}}}
{{- end}}
{{- with .Kafka}}
    topic: {{yaml .Topic}}
{{- end}}
`))

var registryTemplate = template.Must(template.New("").Funcs(template.FuncMap{"yaml": quote}).Parse(`listen: {client: {{yaml .API}}}
kafka: {brokers: {{yaml .Brokers}}, nodes_topic: {{yaml .NodesTopic}}}
cluster: {key: {{yaml .ClusterKey}}}
`))

// text is the configuration of a registry. Its one listener takes the place of a server's API.
func (c RegistryConfig) text(_, api netip.AddrPort) []byte {
	var b bytes.Buffer
	err := registryTemplate.Execute(&b, map[string]any{
		"API": api.String(), "Brokers": c.Brokers, "NodesTopic": c.NodesTopic, "ClusterKey": c.ClusterKey,
	})
	if err != nil {
		panic(err) // only for a mistake in the template
	}
	return b.Bytes()
}

// quote makes YAML of a string or a list: JSON is.
func quote(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// text is the configuration of a server with these addresses.
func (c *Config) text(client, api netip.AddrPort) []byte {
	var b bytes.Buffer
	err := configTemplate.Execute(&b, map[string]any{
		"Clients": append([]string{client.String()}, c.Listen...), "Trusted": c.Trusted, "API": api.String(), "Path": Path, "Project": Project,
		"APIKey": c.Credentials.APIKey, "KeyID": keyID, "Secret": c.Credentials.Secret,
		"Certificate": c.Certificate, "Records": c.Records, "CipherBytes": c.CipherBytes, "Endpoint": c.Endpoint, "Keys": c.Keys, "Projects": c.Projects,
		"SlowTimeout": c.SlowTimeout, "HistoryBytes": c.HistoryBytes, "Kafka": c.Kafka,
		"AdminKey": c.AdminKey, "DrainChunk": c.DrainChunk, "Window": c.Window, "StateDir": c.StateDir,
		"ClusterKey": c.ClusterKey, "ClientURL": "ws://" + client.String() + Path, "APIURL": "http://" + api.String(),
	})
	if err != nil {
		panic(err) // only for a mistake in the template
	}
	return b.Bytes()
}

// tokenLife is longer than any run.
const tokenLife = 6 * time.Hour

// User is the name of the user of connection number.
func User(number int) string { return fmt.Sprintf("user-%05d", number) }

// Token returns the CONNECT headers of connection number: a JWT for a user of its own.
func (c Credentials) Token(number int) ([]stomp.Header, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": User(number),
		"exp": time.Now().Add(tokenLife).Unix(),
	})
	t.Header["kid"] = keyID
	signed, err := t.SignedString([]byte(c.Secret))
	if err != nil {
		return nil, err
	}
	return []stomp.Header{
		{Name: []byte("projectId"), Value: []byte(Project)},
		{Name: []byte("token"), Value: []byte(signed)},
	}, nil
}

// Anonymous returns the CONNECT headers of a client without a token.
func Anonymous(int) ([]stomp.Header, error) {
	return []stomp.Header{{Name: []byte("projectId"), Value: []byte(Project)}}, nil
}
