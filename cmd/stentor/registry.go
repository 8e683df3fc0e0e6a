package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/engine/admin"
	"stentor/engine/certs"
	"stentor/engine/directory"
	"stentor/engine/refusal"
	"stentor/kafka"
)

const usualRegistryFile = "registry.yaml"

func newRegistryCmd() *cobra.Command {
	var (
		file     string
		settings []string
	)
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Run a registry, which tells clients which node to connect to",
		Long: `Runs a registry until it is told to stop. It answers GET /v1/endpoints with the nodes that have the most free
capacity, from the heartbeats of the nodes in Kafka (kafka.nodes_topic). It holds no WebSockets and knows no projects;
run as many as you like. Nodes give the same answer on their own ports; a registry has an address that stays while
nodes come and go.

  stentor config init --registry registry.yaml
  stentor registry --config registry.yaml
  curl http://127.0.0.1:8090/v1/endpoints

While the brokers are down it continues with the nodes that it knew. SIGHUP reloads the certificate. SIGTERM and
Ctrl-C end it after the answers in progress, within drain.timeout. A second signal ends it at once.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.LoadRegistry(file, os.Environ(), settings)
			if err != nil {
				return err
			}
			return runRegistry(cmd.Context(), cfg, cmd.ErrOrStderr(), nil)
		},
	}
	cmd.Flags().StringVar(&file, "config", usualRegistryFile, "configuration file")
	addSetFlag(cmd, &settings)
	return cmd
}

// registry is a running registry.
type registry struct {
	cfg      *config.Registry
	log      *slog.Logger
	certs    *certs.Certs // nil without TLS
	view     *directory.View
	reader   *kafka.Registry
	server   *admin.Server
	listener net.Listener
}

// runRegistry runs until ctx ends. started, if not nil, is called in a goroutine of its own when the registry serves.
func runRegistry(ctx context.Context, cfg *config.Registry, logTo io.Writer, started func(context.Context, *registry)) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before anybody can know that it runs: an unhandled SIGHUP ends a process
	defer signal.Stop(hup)
	queue, flush := patientLog(cfg.Log, logTo)
	defer flush()
	r := &registry{cfg: cfg, log: newLogger(cfg.Log, queue)}
	if err := r.start(queue); err != nil {
		return err
	}
	defer r.reader.Close()
	if started != nil {
		until, cancel := context.WithCancel(ctx)
		defer cancel()
		go started(until, r)
	}
	if r.certs != nil {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go r.certs.Watch(watching)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.server.Serve(r.listener) }()
	for {
		select {
		case <-hup:
			r.reload()
		case err := <-ended:
			return fmt.Errorf("the registry ended: %w", err)
		case <-ctx.Done():
			return r.stop()
		}
	}
}

func (r *registry) start(logTo io.Writer) error {
	key, err := r.cfg.ClusterKey()
	if err != nil {
		return err
	}
	if o, ok := r.cfg.CertsOptions(); ok {
		o.Log = r.log
		if r.certs, err = certs.Load(o); err != nil {
			_, named := r.cfg.Certificate()
			return cmp.Or(named, err) // the first names the key as well
		}
	}
	if r.listener, err = net.Listen("tcp", r.cfg.Listen.Client); err != nil {
		return listening("listen.client", err)
	}
	r.view = newDirectory(key, "", time.Duration(r.cfg.Kafka.Lateness))
	properties := maps.Clone(r.cfg.Kafka.Properties)
	if properties == nil {
		properties = map[string]string{}
	}
	properties["bootstrap.servers"] = strings.Join(r.cfg.Kafka.Brokers, ",")
	if r.reader, err = kafka.NewRegistry(kafka.RegistryOptions{Properties: properties, NodesTopic: r.cfg.Kafka.NodesTopic, Directory: r.view, Log: r.log}); err != nil {
		return errors.Join(err, r.listener.Close())
	}
	r.server = admin.NewServer(r.serverOptions(logTo))
	r.log.Info("serving", "endpoints", scheme("http", r.certs != nil)+"://"+r.listener.Addr().String()+"/v1/endpoints", "topic", r.cfg.Kafka.NodesTopic)
	return nil
}

func (r *registry) serverOptions(logTo io.Writer) admin.ServerOptions {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(admin.DirectoryMetrics(r.view), logMetrics(logTo), collectors.NewGoCollector())
	var over *tls.Config
	if r.certs != nil {
		metrics.MustRegister(certMetrics{r.certs})
		over = r.certs.Open()
	}
	if process, err := newProcessCollector(); err == nil {
		metrics.MustRegister(process)
	}
	refusals := refusal.NewLog(r.log)
	return admin.ServerOptions{
		TLS: over,
		Handler: admin.NewRegistry(admin.RegistryOptions{
			Directory: r.view, Discovery: directory.NewLimiter(r.cfg.Limits.RequestsPerSecond, r.cfg.Limits.Burst), Origins: r.cfg.Origins,
			TrustedProxies: r.cfg.Listen.Proxies(), Ready: r.reader.Ready, Gatherer: metrics, Registerer: metrics, Refusals: refusals, Log: r.log,
		}),
		MaxConns: r.cfg.Limits.Connections, Registerer: metrics, Refusals: refusals, Log: r.log,
	}
}

// reload reads the certificate again. If that fails, the registry keeps the one that it has.
func (r *registry) reload() {
	if r.certs != nil {
		r.certs.Now()
	}
}

func (r *registry) stop() error {
	r.log.Info("stopping", "timeout", r.cfg.Drain.Timeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.cfg.Drain.Timeout))
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		_ = r.server.Close() // requests still in progress have had their time
	}
	r.log.Info("stopped")
	return nil
}
