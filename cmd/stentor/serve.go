package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/engine"
	"stentor/engine/admin"
	"stentor/engine/auth"
	"stentor/engine/bus"
	"stentor/engine/certs"
	"stentor/engine/directory"
	"stentor/engine/jwks"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/kafka"
)

func newServeCmd() *cobra.Command {
	var (
		file, provider string
		dev            bool
		settings       []string
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Runs a node until it is told to stop.

  stentor serve --dev                      # try it: project demo, no tokens needed, this machine only
  stentor serve --dev --provider 127.0.0.1:8082   # with an identity provider to try, see stentor provider
  stentor config init stentor.yaml
  stentor serve --config stentor.yaml
  stentor serve --config stentor.yaml --set log.level=debug

SIGHUP reloads the projects of the configuration; connections stay open. A file with a mistake changes nothing.
SIGTERM and Ctrl-C drain: the node is no longer ready, refuses new clients and pushes with 503, delivers what it has
accepted, closes its clients with 1012, paced, so that they reconnect elsewhere, and ends within drain.timeout.
A second signal ends it at once.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*config.Config, error) { return config.Load(file, os.Environ(), settings) }
			switch {
			case dev && cmd.Flags().Changed("config"):
				return usagef("--dev has a configuration of its own: give either --dev or --config")
			case provider != "" && !dev:
				return usagef("--provider goes with --dev: whoever asks it gets a token; for a configuration of your own run stentor provider")
			case dev:
				load = func() (*config.Config, error) { return config.LoadDev(os.Environ(), settings) }
			}
			if provider != "" {
				p, err := openProvider("--provider", provider)
				if err != nil {
					return err
				}
				defer p.start()() // before the node, which asks it for its keys
				settings = append([]string{p.keys("demo")}, settings...)
				p.announce(cmd.OutOrStdout())
			}
			cfg, err := load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, load, dev, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", usualFile, "configuration file")
	cmd.Flags().BoolVar(&dev, "dev", false, "use the built-in configuration for trials, on loopback")
	cmd.Flags().StringVar(&provider, "provider", "", "with --dev: loopback address for an identity provider that the project demo trusts, as in "+usualProvider)
	addSetFlag(cmd, &settings)
	return cmd
}

// server is a running node with its API.
type server struct {
	cfg      *config.Config
	log      *slog.Logger
	logTo    io.Writer
	names    websocket.Names // of the node
	refusals *refusal.Log
	projects *auth.Projects
	sources  *jwks.Sources
	auth     *auth.Authenticator
	node     *engine.Node
	bus      bus.Bus
	api      *admin.Server
	apiAddr  net.Listener

	instance  string                           // of this run
	advertise atomic.Pointer[config.Advertise] // what the beats say
	certs     *certs.Certs                     // nil without TLS

	clusterKey []byte
	clusterCA  *x509.CertPool
	directory  *directory.View
	discovery  *directory.Limiter
}

func serve(ctx context.Context, cfg *config.Config, load func() (*config.Config, error), dev bool, out, logTo io.Writer) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before anybody can know that the node runs: an unhandled SIGHUP ends a process
	defer signal.Stop(hup)
	logTo, flush := patientLog(cfg.Log, logTo)
	defer flush()
	s, err := start(cfg, dev, logTo)
	if err != nil {
		return err
	}
	s.announce(out, dev)
	return s.serve(ctx, load, hup)
}

// serve runs until ctx ends, or a part of the node does. load reads the configuration again, at each signal of hup; both are
// nil when there is no file to read.
func (s *server) serve(ctx context.Context, load func() (*config.Config, error), hup <-chan os.Signal) error {
	apiEnded := make(chan error, 1)
	go func() { apiEnded <- s.api.Serve(s.apiAddr) }()
	if s.cfg.Bus != "kafka" {
		beating, stop := context.WithCancel(context.Background()) // not ctx: the beats also say that the node drains
		defer stop()
		go s.beatAlone(beating)
	}
	if s.certs != nil {
		watching, stop := context.WithCancel(context.Background())
		defer stop()
		go s.certs.Watch(watching)
	}
	gc := newCollector(s.cfg.GCPercent)
	defer gc.stop()
	for {
		select {
		case <-gc.look:
			gc.settle(s.bus.Ready() == nil, s.node.GarbageOfTLS())
		case <-hup:
			s.reload(load)
		case <-ctx.Done():
			return s.stop()
		case <-s.node.Ended():
			return s.node.Err()
		case <-s.bus.Ended():
			return errors.Join(s.bus.Err(), s.stop())
		case err := <-apiEnded:
			return fmt.Errorf("the API ended: %w", err)
		}
	}
}

// start starts a node. dev: it is for trials, so it advertises its own addresses, and its page shows its keys.
func start(cfg *config.Config, dev bool, logTo io.Writer) (*server, error) {
	s := &server{cfg: cfg, log: newLogger(cfg.Log, logTo), logTo: logTo}
	warnOfHost("/", int64(cfg.Limits.Connections), s.log)
	s.advertise.Store(&cfg.Advertise)
	if !dev {
		for _, w := range cfg.Warnings() {
			about := []any{"where", w.Where}
			if w.Key != "" { // of the whole file
				about = append(about, "key", w.Key)
			}
			s.log.Warn("configuration", append(about, "text", w.Text)...)
		}
	}
	s.sources = jwks.NewSources(jwks.Options{Refresh: time.Duration(cfg.Auth.KeysRefresh), MaxAge: time.Duration(cfg.Auth.KeysMaxAge), Log: s.log})
	list, err := authProjects(cfg, s.sources)
	if err != nil {
		return nil, err
	}
	adminKeys, err := cfg.AllAdminKeys()
	if err != nil {
		return nil, err
	}
	if s.projects, err = auth.NewProjects(list, adminKeys); err != nil {
		return nil, err
	}
	opts, err := nodeOptions(cfg, list, s.log)
	if err != nil {
		return nil, err
	}
	s.names, s.refusals = opts.Names, opts.Refusals
	if err := s.openDirectory(); err != nil {
		return nil, err
	}
	opts.Directory, opts.Discovery = s.directory, s.discovery
	if s.certs, err = loadCerts(cfg, s.log); err != nil {
		return nil, err
	}
	opts.TLS = tlsOptions(cfg, s.certs)
	if s.apiAddr, err = net.Listen("tcp", cfg.Listen.API); err != nil {
		return nil, listening("listen.api", err)
	}
	s.sources.Serve(sourcesOf(list))
	s.auth = auth.NewAuthenticator(s.projects, auth.Options{
		Workers: cmp.Or(cfg.Auth.Workers, loops()), Queue: cfg.Auth.Queue, CacheEntries: cfg.Auth.CacheEntries, DefaultProject: cfg.DefaultProject,
	})
	if s.node, err = engine.New(opts, s.auth); err != nil {
		return nil, err
	}
	if s.bus, err = s.openBus(); err != nil {
		return nil, err
	}
	if err := s.node.Start(s.bus); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = listening("listen.client", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), leastGoodbye)
		defer cancel()
		return nil, errors.Join(err, s.bus.Close(ctx))
	}
	if dev {
		s.advertiseOwn()
	}
	s.api = admin.NewServer(s.apiOptions(dev))
	return s, nil
}

// listening adds to a failed listen which key has the address, and what to do about it.
func listening(key string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w: end the process that has it (ss -lnp shows it), or set %s to another address", key, err, key)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// openDirectory creates the view of all nodes, which learns of them once there is a bus.
func (s *server) openDirectory() (err error) {
	if s.clusterKey, s.clusterCA, err = s.cfg.ClusterSecrets(); err != nil {
		return err
	}
	s.instance = rand.Text()
	s.directory = newDirectory(s.clusterKey, s.cfg.Node.ID, time.Duration(s.cfg.Kafka.Lateness))
	s.discovery = directory.NewLimiter(s.cfg.Limits.EndpointsPerSecond, s.cfg.Limits.EndpointsBurst)
	return nil
}

// cluster is what the node needs to query the other nodes; nil without a cluster.
func (s *server) cluster() *admin.Cluster {
	if s.cfg.Bus != "kafka" || len(s.clusterKey) == 0 {
		return nil
	}
	return &admin.Cluster{Key: s.clusterKey, Self: s.cfg.Node.ID, Instance: s.instance, CA: s.clusterCA}
}

func (s *server) openBus() (bus.Bus, error) {
	if s.cfg.Bus == "kafka" {
		o := kafkaOptions(s.cfg, s.node, s.node.Covered, s.projects.Own, s.log)
		o.Instance = s.instance
		o.ClusterKey, o.Directory, o.Draining = s.clusterKey, s.directory, s.node.Draining
		o.Status = newStatusSource(s.node, s.advertise.Load).status
		return kafka.New(o)
	}
	return bus.NewEmbedded(s.node, uint64(time.Now().UnixMilli())), nil
}

func (s *server) apiOptions(dev bool) admin.ServerOptions {
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.node, admin.DirectoryMetrics(s.directory), authMetrics(s.auth, s.sources), logMetrics(s.logTo), collectors.NewGoCollector())
	if process, err := newProcessCollector(); err != nil {
		s.log.Warn("no metrics of the process", "error", err)
	} else {
		registry.MustRegister(process)
	}
	if s.certs != nil {
		registry.MustRegister(certMetrics{s.certs})
	}
	if c, ok := s.bus.(prometheus.Collector); ok {
		registry.MustRegister(c)
	}
	console := admin.Console{WS: s.consoleURL(), Project: s.cfg.DefaultProject}
	var names func(string) bool
	if dev { // its key is no secret, and the page shows it
		console.APIKey = s.cfg.Projects[s.cfg.DefaultProject].APIKeys[0]
		if len(s.cfg.AdminKeys) > 0 {
			console.AdminKey = s.cfg.AdminKeys[0]
		}
		names = s.names.Has
	}
	var over *tls.Config
	if s.cfg.Listen.APITLS {
		over = s.certs.Open()
	}
	return admin.ServerOptions{
		TLS: over,
		Handler: admin.New(admin.Options{
			Node: apiNode{s.node, s.cfg.Node.ID, drainPace(s.cfg)}, Projects: apiProjects{s.projects}, Gatherer: registry, Registerer: registry,
			PushBytes: int64(s.cfg.Limits.PushBytes), BatchBytes: int64(s.cfg.Limits.BatchBytes), MemoryBytes: int64(s.cfg.Limits.APIBytes), Console: console, Names: names, Refusals: s.refusals, Log: s.log,
			Directory: s.directory, Discovery: s.discovery, Cluster: s.cluster(), TrustedProxies: s.cfg.Listen.Proxies(),
			PublishTimeout: time.Duration(s.cfg.Push.Timeout) + time.Second,
		}),
		MaxConns: s.cfg.Limits.APIConnections, Registerer: registry, Refusals: s.refusals, Log: s.log,
	}
}

// reload reads the projects again, and the certificates. If a file is wrong, the node keeps its configuration.
func (s *server) reload(load func() (*config.Config, error)) {
	if s.certs != nil {
		s.certs.Now()
	}
	cfg, err := load()
	if err == nil {
		err = s.swap(cfg)
	}
	if err != nil {
		s.log.Error("reload failed, nothing was changed", "error", err)
		return
	}
	if changed := s.cfg.FixedChanges(cfg); len(changed) > 0 {
		s.log.Warn("these keys changed as well, and take effect at the next start", "keys", strings.Join(changed, ","))
	}
	s.log.Info("projects reloaded", "projects", strings.Join(cfg.ProjectNames(), ","))
}

func (s *server) swap(cfg *config.Config) error {
	list, err := authProjects(cfg, s.sources)
	if err != nil {
		return err
	}
	adminKeys, err := cfg.AllAdminKeys()
	if err != nil {
		return err
	}
	if err := s.projects.Swap(list, adminKeys); err != nil {
		return err
	}
	s.sources.Serve(sourcesOf(list))
	s.node.SetProjects(engineProjects(cfg, list))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.node.Applied(ctx) != nil {
		s.log.Warn("the event loops are busy: the reload takes effect a little later")
	}
	return nil
}

// What stop reserves of drain.timeout for the end: the bus says that the node leaves, the API finishes its answers.
const (
	leastGoodbye = time.Second
	mostGoodbye  = 5 * time.Second
)

// stop drains the node within drain.timeout: first clients and loops, while the bus is still read, then the bus, whose last
// beat says that this node has left.
func (s *server) stop() error {
	timeout := time.Duration(s.cfg.Drain.Timeout)
	s.log.Info("draining", "timeout", s.cfg.Drain.Timeout.String())
	end := time.Now().Add(timeout)
	draining, cancel := context.WithDeadline(context.Background(), end.Add(-min(timeout/5, mostGoodbye)))
	defer cancel()
	err := s.node.Stop(draining, drainPace(s.cfg))
	leaving, cancel := context.WithTimeout(context.Background(), max(time.Until(end), leastGoodbye))
	defer cancel()
	err = errors.Join(err, s.bus.Close(leaving))
	s.auth.Close()
	s.sources.Close()
	if e := s.api.Shutdown(leaving); e != nil && !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, s.api.Close())
	}
	s.log.Info("stopped")
	return err
}
