package main

import (
	"log/slog"
	"maps"
	"strings"
	"time"

	"stentor/cmd/stentor/config"
	"stentor/engine"
	"stentor/engine/auth"
	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/jwks"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/websocket"
	"stentor/kafka"
	"stentor/tuning"
)

// apiReserve is how many descriptors the node keeps beside those of its clients and of the API's connections.
const apiReserve = 128

// compressing is which clients of an endpoint may compress messages.
func compressing(e config.Endpoint) websocket.Compressing {
	switch {
	case !e.Compression:
		return websocket.CompressNever
	case e.CompressionWebKit:
		return websocket.CompressAlways
	}
	return websocket.CompressUnlessWebKit
}

// nodeOptions turns a valid configuration into the options of the engine.
func nodeOptions(c *config.Config, projects []*auth.Project, log *slog.Logger) (engine.Options, error) {
	endpoints := make([]engine.Endpoint, len(c.Endpoints))
	for i, e := range c.Endpoints {
		origins, err := websocket.ParseOrigins(e.Origins)
		if err != nil {
			return engine.Options{}, err
		}
		endpoints[i] = engine.Endpoint{Path: e.Path, Origins: origins, Project: e.Project, SockJS: e.SockJS, Compress: compressing(e)}
	}
	names, err := websocket.ParseNames(c.Listen.Names)
	if err != nil {
		return engine.Options{}, err
	}
	state, err := c.StateDir()
	if err != nil {
		return engine.Options{}, err
	}
	l := &c.Limits
	connections := l.Connections
	if connections == 0 {
		connections = connectionsThatFit("/", moreForTLS(c))
	}
	return engine.Options{
		Loops: loops(), Listen: c.Listen.Client, Endpoints: endpoints, TrustedProxies: c.Listen.Proxies(), Names: names, AdvertisedURLs: c.Advertise.Clients,
		TokenHeader: c.Credentials.TokenHeader, ProjectHeader: c.Credentials.ProjectHeader, PasscodeIsToken: c.Credentials.PasscodeIsToken,
		Session: session.Config{
			HandshakeBytes: int(l.HandshakeBytes), ConnectFrameBytes: int(l.ConnectFrameBytes), FrameBytes: int(l.ClientFrameBytes),
			Headers: l.Headers, HeaderBytes: int(l.HeaderBytes), IDBytes: int(l.SubscriptionIDBytes),
			DestinationBytes: int(l.DestinationBytes), Unanswered: l.Unanswered, InputBytes: int(l.InputBytes), TransactionBytes: int(l.TransactionBytes),
			Sends: millis(c.Heartbeat.Send), Receives: millis(c.Heartbeat.Receive),
		},
		Shard: shard.Limits{
			HandshakeTimeout: time.Duration(l.HandshakeTimeout), ConnectTimeout: time.Duration(l.ConnectTimeout),
			Ping: time.Duration(c.Heartbeat.Ping), Heartbeat: time.Duration(c.SockJS.Heartbeat), FramesPerSecond: l.FramesPerSecond, Subscriptions: l.Subscriptions,
			Patterns: l.Patterns, PatternSteps: l.PatternSteps, UserPatternSteps: l.UserPatternSteps, ReplyBytes: int(l.ReplyBytes),
			SlowBytes: int64(l.SlowBytes), Heartbeats: heartbeats(c.Heartbeat.Auto, moreForTLS(c) > 0),
		},
		History: history.Bounds{Window: time.Duration(c.History.Window), Bytes: int64(c.History.Bytes)},
		Limits: engine.Limits{
			Connections: connections, AsManyAsFit: l.Connections == 0, PerAddress: l.ConnectionsPerAddress, Unauthenticated: l.Unauthenticated, UnauthenticatedPerAddress: l.UnauthPerAddress,
			SessionsPerUser: l.SessionsPerUser, Handshakes: c.TLS.Handshakes, SockJS: c.SockJS.Connections, PendingBytes: int64(l.PendingBytes), SessionBytes: int64(l.SessionBytes), PushAge: time.Duration(c.Push.MaxAge), ReservedDescriptors: l.APIConnections + apiReserve,
		},
		Projects: engineProjects(c, projects), StateDir: state,
		Log: log, DefaultProject: c.DefaultProject, Refusals: refusal.NewLog(log),
	}, nil
}

// heartbeats is how many heart-beats a second a shard aims at: at 8 us each, both directions together, 4% of its core. Over TLS
// a record costs some 2 us more, as the cipher of a connection that is written to once in a while is created again.
func heartbeats(auto, tls bool) int {
	switch {
	case auto && tls:
		return 4000
	case auto:
		return 5000
	}
	return 0
}

// moreForTLS is how many KiB a connection needs in addition, if clients connect over TLS.
func moreForTLS(c *config.Config) int64 {
	switch {
	case !c.TLSClients():
		return 0
	case c.TLS.Records == "go":
		return tuning.TLSGoKiB
	}
	return tuning.TLSKiB
}

func millis(d config.Duration) uint32 { return uint32(time.Duration(d).Milliseconds()) }

var policies = map[string]shard.Policy{"disconnect": shard.Disconnect, "drop-oldest": shard.DropOldest, "keep-latest": shard.KeepLatest}

func engineProjects(c *config.Config, projects []*auth.Project) []engine.Project {
	all := make([]engine.Project, len(projects))
	for i, p := range projects {
		conf := c.Projects[p.Name()]
		all[i] = engine.Project{
			Auth: p, Name: p.Name(), Topic: c.PushTopic(p.Name()), InTopic: inTopic(c, p.Name()), Patterns: conf.Patterns,
			Slow: policies[conf.Slow.Policy], SlowTimeout: time.Duration(conf.Slow.Timeout), AckWindow: conf.AckWindow,
			Connections: conf.Limits.Connections, PushesPerSecond: float64(conf.Limits.PushesPerSecond),
		}
	}
	return all
}

// inTopic is the topic to which a project's clients' messages are forwarded, empty if none are.
func inTopic(c *config.Config, project string) string {
	for _, action := range c.Projects[project].Send {
		if action == "forward" {
			return c.InTopic(project)
		}
	}
	return ""
}

// kafkaOptions turns a valid configuration into the options of the Kafka bus.
func kafkaOptions(c *config.Config, sink bus.Sink, covered bus.Covered, own func(project, destination string) bool, log *slog.Logger) kafka.Options {
	properties := maps.Clone(c.Kafka.Properties)
	if properties == nil {
		properties = map[string]string{}
	}
	properties["bootstrap.servers"] = strings.Join(c.Kafka.Brokers, ",")
	return kafka.Options{
		Node: c.Node.ID, Properties: properties, Create: c.Kafka.CreateTopics, Partitions: c.Kafka.Partitions, Replicas: c.Kafka.Replication,
		NodesTopic: c.Kafka.NodesTopic, Window: time.Duration(c.History.Window), PushTimeout: time.Duration(c.Push.Timeout),
		Lateness:  time.Duration(c.Kafka.Lateness),
		PushBytes: int(c.Limits.PushBytes), Sink: sink, Covered: covered, Own: own, Log: log,
	}
}

// authProjects compiles the projects of a configuration. sources fetch the keys of their identity providers, once they are served.
func authProjects(c *config.Config, sources *jwks.Sources) ([]*auth.Project, error) {
	configs, err := c.ProjectConfigs()
	if err != nil {
		return nil, err
	}
	projects := make([]*auth.Project, len(configs))
	for i, pc := range configs {
		pc.Sources = sources
		if projects[i], err = auth.NewProject(pc); err != nil {
			return nil, err
		}
	}
	return projects, nil
}

// sourcesOf are the identity providers of all projects.
func sourcesOf(projects []*auth.Project) (all []*jwks.Source) {
	for _, p := range projects {
		all = append(all, p.Sources()...)
	}
	return all
}
