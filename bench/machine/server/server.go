package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"stentor/bench/gen/metrics"
	"stentor/bench/gen/pace"
	"stentor/engine/testkit/ports"
)

// Timeouts, and how many connections to the API stay open.
const (
	startTimeout   = time.Minute
	stopTimeout    = 10 * time.Second
	requestTimeout = 20 * time.Second
	parallel       = 20
)

// Server is a running server process.
type Server struct {
	Client netip.AddrPort // where clients connect
	api    string
	key    string
	http   *http.Client

	// ReadyAfter is the time from the start of the process until it was ready.
	ReadyAfter time.Duration
	began      time.Time

	*Process
}

// Start writes a configuration into a new folder below dir, starts the server and waits until it is ready. The returned
// context ends when the server does.
func Start(ctx context.Context, binary, dir string, c Config) (*Server, context.Context, error) {
	within := c.Within
	if within == nil {
		within = func(f func() error) error { return f() }
	}
	var s *Server
	var running context.Context
	err := within(func() (err error) {
		s, running, err = launch(ctx, "the server", binary, "serve", dir, c.Host, c.Credentials, c.text)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return await(running, s)
}

// launch runs one of the binary's commands, which messages call name.
func launch(ctx context.Context, name, binary, command, dir string, host netip.Addr, cred Credentials, text func(client, api netip.AddrPort) []byte) (*Server, context.Context, error) {
	dir, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return nil, nil, err
	}
	client, err := ports.Free(host)
	if err != nil {
		return nil, nil, err
	}
	api, err := ports.Free(host)
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "stentor.yaml")
	if err := os.WriteFile(file, text(client, api), 0o600); err != nil {
		return nil, nil, err
	}
	s := &Server{
		Client: client,
		api:    "http://" + api.String(),
		key:    cred.APIKey,
		http:   &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: parallel}},
	}
	s.began = time.Now()
	cmd := exec.Command(binary, command, "--config", file)
	cmd.Env = serverEnv(os.Environ())
	if s.Process, ctx, err = Run(ctx, name, cmd, filepath.Join(dir, "stentor.log")); err != nil {
		return nil, nil, err
	}
	return s, ctx, nil
}

// await waits until a server is ready.
func await(ctx context.Context, s *Server) (*Server, context.Context, error) {
	if err := s.waitReady(ctx); err != nil {
		s.Stop()
		return nil, nil, err
	}
	s.ReadyAfter = time.Since(s.began)
	return s, ctx, nil
}

// serverEnv is the environment without variables that would change the server's settings.
func serverEnv(env []string) (kept []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if name != "GOGC" && name != "GOMEMLIMIT" && name != "GODEBUG" && name != "GOMAXPROCS" && !strings.HasPrefix(name, "STENTOR_") {
			kept = append(kept, v)
		}
	}
	return kept
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the server is not ready after %v", startTimeout))
	defer cancel()
	for {
		_, err := s.Request(ctx, http.MethodGet, "/readyz", nil)
		if err == nil {
			return nil
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%w\n%s", err, s.Tail())
		}
	}
}

// Stop ends the server as its operator would.
func (s *Server) Stop() {
	s.Process.Stop(stopTimeout)
	s.http.CloseIdleConnections()
}

// API is the URL of its HTTP API.
func (s *Server) API() string { return s.api }

// Request sends one request and returns the body of a 200 answer.
func (s *Server) Request(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := s.http.Do(r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	defer a.Body.Close()
	answer, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	if a.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, a.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}

// Subscriptions returns how many subscriptions a destination has.
func (s *Server) Subscriptions(ctx context.Context, destination string) (int, error) {
	b, err := s.Request(ctx, http.MethodGet, "/v1/projects/"+Project+"/destinations?limit=1&prefix="+url.QueryEscape(destination), nil)
	if err != nil {
		return 0, err
	}
	var list struct {
		Destinations []struct {
			Destination   string `json:"destination"`
			Subscriptions int    `json:"subscriptions"`
		} `json:"destinations"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return 0, err
	}
	for _, d := range list.Destinations {
		if d.Destination == destination {
			return d.Subscriptions, nil
		}
	}
	return 0, nil
}

// HistoryBytes is the metric of messages that are kept for resuming clients, which is not part of the cost of connections.
const HistoryBytes = "stentor_history_bytes"

// Metric returns the sum of all series of a metric.
func (s *Server) Metric(ctx context.Context, name string) (int64, error) {
	b, err := s.Request(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	return gauge(b, name)
}

func gauge(text []byte, name string) (int64, error) {
	all, err := metrics.Read(bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("the server's metrics: %w", err)
	}
	sum, found := all.Sum(name)
	if !found {
		return 0, errors.New("the server has no metric " + name)
	}
	return int64(sum), nil
}

// RegistryConfig is the configuration of a registry for nodes with Config.ClusterKey.
type RegistryConfig struct {
	ClusterKey string
	Brokers    []string
	NodesTopic string
}

// StartRegistry starts a registry as Start does a server. Clients ask at its API.
func StartRegistry(ctx context.Context, binary, dir string, c RegistryConfig) (*Server, context.Context, error) {
	s, ctx, err := launch(ctx, "the registry", binary, "registry", dir, netip.Addr{}, Credentials{}, c.text)
	if err != nil {
		return nil, nil, err
	}
	return await(ctx, s)
}

// Find returns the path of the server's binary.
func Find(binary string) (string, error) {
	path, err := exec.LookPath(binary)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", fmt.Errorf("the server's binary: %w", err)
	}
	return path, nil
}

// Version is the version that the server's binary prints.
func Version(ctx context.Context, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	b, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", binary, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line, nil
}
