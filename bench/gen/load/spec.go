package load

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// Spec says what to do. NewSpec's flags set it.
type Spec struct {
	Scenario string

	URLs        []string
	Host        string
	CA          string
	Insecure    bool
	TLSResume   bool
	Protocol    string
	Sources     []string
	Threads     int
	Connections int
	OpenRate    float64
	Ramp        time.Duration
	Opening     int
	Gather      time.Duration
	OpenTimeout time.Duration
	Heartbeat   time.Duration
	Receipts    bool
	Resume      bool

	Projects      []string
	Key           string
	Secret        string
	SecretFile    string
	KeyID         string
	TokenLife     time.Duration
	Claims        map[string]string
	User          string
	Headers       map[string]string
	Topic         string
	Queue         string
	Destinations  int
	Distribution  string
	ZipfExponent  float64
	SubscribeTo   []string
	Push          string
	API           string
	APIKey        string
	APIKeyFile    string
	PushURL       string
	PushBody      string
	PushMethod    string
	PushHeaders   map[string]string
	KafkaBrokers  []string
	KafkaTopic    string
	KafkaProperty map[string]string
	Lanes         int
	Batch         int
	Rate          float64
	UserRate      float64
	Payload       int
	Duration      time.Duration
	Hold          time.Duration
	Settle        time.Duration
	ChurnRate     float64
	SlowShare     float64
	SlowKind      string
	SlowBytes     int
	DropShare     float64
	Broadcasts    int
	Sample        int
	Kicks         int
	Leave         time.Duration
	Metrics       []string
	Thresholds    []string
	Stages        []Stage
	Seed          uint64

	// The contents of the files that Key and CA name, when the Spec comes from another host.
	KeyText, CAText string

	apiGuessed bool // nobody has named API
}

// Scenarios are the names for Spec.Scenario, each with what it does.
var Scenarios = []struct{ Name, Does string }{
	{"connect", "opens all connections at --open-rate after --ramp (0: all at once), and keeps them open"},
	{"broadcast", "opens all, pushes --rate messages a second to all for --duration"},
	{"topics", "as broadcast, with --destinations destinations; subscribers and pushes spread by --distribution"},
	{"users", "opens all, pushes --rate messages a second, each to one user"},
	{"churn", "as broadcast, while --churn-rate connections a second drop and reconnect"},
	{"reconnect", "opens all, drops --drop-share of them while --rate messages a second are pushed, lets them reconnect"},
	{"slow", "as broadcast, while --slow-share of the connections read slowly or never"},
	{"soak", "all at once for --duration: --rate to all, --user-rate to users, --churn-rate coming and going"},
	{"stages", "opens, drops and pushes as --stages say, each changing evenly from the previous one"},
	{"million", "opens all, holds them; --broadcasts messages to all, --sample to users, --kicks users kicked, --drop-share dropped and back"},
}

// scenario returns whether there is one of this name.
func scenario(name string) bool {
	for _, s := range Scenarios {
		if s.Name == name {
			return true
		}
	}
	return false
}

// NewSpec returns a Spec with the defaults, and the flags that set it. A YAML file has the same keys, with _ for -.
func NewSpec() (*Spec, *pflag.FlagSet) {
	s := &Spec{}
	f := pflag.NewFlagSet("load", pflag.ContinueOnError)
	f.SortFlags = false

	f.StringSliceVar(&s.URLs, "url", []string{"ws://127.0.0.1:8080/ws"}, "where clients connect: ws:// or wss://, several with the same path for several servers or ports")
	f.StringVar(&s.Host, "host", "", "Host header and TLS server name (default: as in the url)")
	f.StringVar(&s.CA, "ca", "", "PEM file with the certificates to trust for wss://")
	f.BoolVar(&s.Insecure, "insecure", false, "trust any certificate")
	f.BoolVar(&s.TLSResume, "tls-resume", false, "resume TLS with a ticket that an earlier connection got, as clients that come back do (default: full handshakes)")
	choice(f, &s.Protocol, "protocol", "stomp", []string{"stomp", "websocket"}, "stomp, or websocket for bare messages")
	f.StringSliceVar(&s.Sources, "source", nil, "local addresses to connect from, as in 127.0.0.2-127.0.0.60 (default: as many of 127.0.0.0/8 as needed for a server on loopback, else the host's choice); IPv6 if the server's address is")
	integer(f, &s.Threads, "threads", 0, 0, 1024, "threads that read and write; 0: one per core")

	integer(f, &s.Connections, "connections", 1000, 1, 10_000_000, "connections")
	number(f, &s.OpenRate, "open-rate", 1000, 0, 1e6, "connections opened a second; 0: all at once")
	duration(f, &s.Ramp, "ramp", 0, "time in which the opening rate grows from zero")
	integer(f, &s.Opening, "opening", 256, 1, 100_000, "connections that may be opening at the same time")
	duration(f, &s.Gather, "gather", 0, "time for which threads gather input before they read it; latencies grow by as much")
	duration(f, &s.OpenTimeout, "open-timeout", time.Minute, "time for one connection to open")
	duration(f, &s.Heartbeat, "heartbeat", 10*time.Second, "interval of STOMP heart-beats, offered and requested; 0: none")
	f.BoolVar(&s.Receipts, "receipts", true, "request a RECEIPT of subscriptions; off for servers that send none, such as Spring's simple broker")
	f.BoolVar(&s.Resume, "resume", true, "reconnect with last-message-id; needs receipts")

	f.StringSliceVar(&s.Projects, "project", []string{"demo"}, "projects; connections take turns")
	f.StringVar(&s.Key, "key", "", "PEM file with a private key (RSA, ECDSA, Ed25519) that signs a token for each connection")
	f.StringVar(&s.Secret, "secret", "", "HS256 secret that signs the tokens instead; --secret-file is safer")
	f.StringVar(&s.SecretFile, "secret-file", "", "file with that")
	f.StringVar(&s.KeyID, "kid", "", "kid of the tokens")
	duration(f, &s.TokenLife, "token-life", 24*time.Hour, "time until the tokens expire")
	f.StringToStringVar(&s.Claims, "claim", nil, "more claims, `name=template`")
	f.StringVar(&s.User, "user", "user-{{.Number}}", "template of a connection's user")
	f.StringToStringVar(&s.Headers, "connect-header", nil, "headers of CONNECT, `name=template` (default: projectId, and token when there is a key)")
	f.StringVar(&s.Topic, "topic", "", "template of the broadcast destinations (default /topic/{{.Project}}/all, with several --destinations /topic/{{.Project}}/load/{{.Destination}})")
	f.StringVar(&s.Queue, "queue", "/user/queue/load", "a user's own destination")
	f.StringSliceVar(&s.SubscribeTo, "subscribe", []string{"topic", "queue"}, "what each connection subscribes to: topic, queue; queue only when connections have users")
	integer(f, &s.Destinations, "destinations", 1, 1, 1_000_000, "broadcast destinations per project")
	choice(f, &s.Distribution, "distribution", "uniform", []string{"uniform", "zipf"}, "how subscribers and pushes spread over the destinations")
	number(f, &s.ZipfExponent, "zipf", 1.1, 0.1, 10, "exponent of zipf")

	choice(f, &s.Push, "push", "", []string{"", "api", "http", "kafka"}, "how to push: api (Stentor's), http (--push-url), kafka (--kafka-brokers) (default: by what is given)")
	f.StringVar(&s.API, "api", "", "Stentor's HTTP API, for pushes, kicks and metrics (default: http://, the host of --url, port 8081)")
	f.StringVar(&s.APIKey, "api-key", "", "API key; --api-key-file is safer")
	f.StringVar(&s.APIKeyFile, "api-key-file", "", "file with that")
	f.StringVar(&s.PushURL, "push-url", "", "template of the URL of another HTTP service")
	f.StringVar(&s.PushBody, "push-body", "{{.Payload}}", "template of its body: .Destination .User .Project .Payload .ID .Number")
	f.StringVar(&s.PushMethod, "push-method", "POST", "its method")
	f.StringToStringVar(&s.PushHeaders, "push-header", nil, "its headers, `name=template`")
	f.StringSliceVar(&s.KafkaBrokers, "kafka-brokers", nil, "brokers, host:port")
	f.StringVar(&s.KafkaTopic, "kafka-topic", "stentor.push.{project}", "topic of a project")
	f.StringToStringVar(&s.KafkaProperty, "kafka-property", nil, "properties of librdkafka, `name=value`")
	integer(f, &s.Lanes, "lanes", 8, 1, 256, "concurrent requests; those of a destination are sent one after the other")
	integer(f, &s.Batch, "batch", 1, 1, 1000, "messages that one request may carry if they are late")

	number(f, &s.Rate, "rate", 10, 0, 1e6, "messages pushed a second")
	number(f, &s.UserRate, "user-rate", 10, 0, 1e6, "messages to single users a second, in soak")
	integer(f, &s.Payload, "payload", 200, 0, 16<<20, "bytes of a payload; at least what the checks need")
	duration(f, &s.Duration, "duration", 30*time.Second, "time of pushing")
	duration(f, &s.Hold, "hold", 10*time.Second, "time of holding, and in million of quiet after the drop")
	duration(f, &s.Settle, "settle", 15*time.Second, "wait for missing messages until none has arrived for this time")
	number(f, &s.ChurnRate, "churn-rate", 10, 0, 1e6, "connections per second that drop and reconnect")
	number(f, &s.SlowShare, "slow-share", 0.1, 0, 1, "share of slow connections")
	choice(f, &s.SlowKind, "slow-kind", "never", []string{"never", "slowly"}, "whether they never read, or read --slow-bytes a second")
	integer(f, &s.SlowBytes, "slow-bytes", 1024, 1, 1<<16, "bytes that a slow connection reads per second")
	number(f, &s.DropShare, "drop-share", 0, 0, 1, "share of the connections that drop and reconnect; 0: all in reconnect, a tenth in million")
	integer(f, &s.Broadcasts, "broadcasts", 5, 1, 1000, "messages to all, in million; each waits for the previous one")
	integer(f, &s.Sample, "sample", 1000, 0, 1_000_000, "users that get a message of their own, in million")
	integer(f, &s.Kicks, "kicks", 100, 0, 100_000, "users whose sessions are closed through the API, in million")

	duration(f, &s.Leave, "leave", 0, "in million: time for the server to close all connections with 1012, in a last phase in which somebody tells it to leave; 0: no such phase")

	f.Var(stagesFlag{&s.Stages}, "stages", "a stage of the scenario stages, once for each: 'duration=5m connections=100000 pushes_per_second=2000'; what it leaves out does not change (in YAML: a list of mappings)")

	f.StringSliceVar(&s.Metrics, "metrics", nil, "where the servers' Prometheus metrics are (default: --api and /metrics; none: nowhere)")
	f.StringSliceVar(&s.Thresholds, "threshold", nil, "condition of a good run, as in p99<50ms, otherwise the exit status is 1: p50 p90 p99 p999 max of the latency; lost repeated reordered wrong errors opened pushed delivered open-rate delivery-rate; <, <=, >, >=")
	f.Uint64Var(&s.Seed, "seed", 1, "chooses who gets what")
	f.VisitAll(func(v *pflag.Flag) {
		if v.DefValue == "[]" {
			v.DefValue = "" // the help need not say that nothing is the default
		}
	})
	return s, f
}

// secrets are the flags whose values are shown nowhere.
var secrets = map[string]bool{"secret": true, "api-key": true, "kafka-property": true, "push-header": true, "connect-header": true}

// Settings returns the values of all flags but secret ones.
func Settings(f *pflag.FlagSet) map[string]string {
	all := map[string]string{}
	f.VisitAll(func(v *pflag.Flag) {
		switch {
		case secrets[v.Name] && v.Changed:
			all[v.Name] = "(not shown)"
		case !secrets[v.Name]:
			all[v.Name] = v.Value.String()
		}
	})
	return all
}

// check checks what no single flag can, and sets defaults that depend on other flags.
func (s *Spec) check() error {
	if !scenario(s.Scenario) {
		return fmt.Errorf("there is no scenario %q: there are %s", s.Scenario, scenarioNames())
	}
	if s.Resume && !s.Receipts {
		return fmt.Errorf("--resume needs --receipts: set --resume=false too")
	}
	if s.Protocol == "websocket" {
		s.Receipts, s.Resume, s.Heartbeat = false, false, 0
	}
	if err := s.checkStages(); err != nil {
		return err
	}
	if len(s.Projects) == 0 {
		return fmt.Errorf("name a project with --project")
	}
	if all := apisOf(s.URLs); s.API == "" && len(all) > 0 {
		s.API, s.apiGuessed = all[0], true
	}
	if s.Topic == "" {
		s.Topic = "/topic/{{.Project}}/all"
		if s.Destinations > 1 {
			s.Topic = "/topic/{{.Project}}/load/{{.Destination}}"
		}
	}
	if s.DropShare == 0 {
		s.DropShare = 1
		if s.Scenario == "million" {
			s.DropShare = 0.1
		}
	}
	if s.Push == "" {
		switch {
		case len(s.KafkaBrokers) > 0:
			s.Push = "kafka"
		case s.PushURL != "":
			s.Push = "http"
		default:
			s.Push = "api"
		}
	}
	switch {
	case s.Push == "kafka" && len(s.KafkaBrokers) == 0:
		return fmt.Errorf("pushing to Kafka needs --kafka-brokers")
	case s.Push == "http" && s.PushURL == "":
		return fmt.Errorf("pushing by HTTP needs --push-url")
	}
	return nil
}

func scenarioNames() (names string) {
	for i, s := range Scenarios {
		if i > 0 {
			names += ", "
		}
		names += s.Name
	}
	return names
}
