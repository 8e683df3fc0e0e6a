package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stentor/bench/proc"
)

// How long to wait at most, and how many connections to the API stay open.
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

	// ReadyAfter is the time from the start of the process to its being ready.
	ReadyAfter time.Duration

	cmd     *exec.Cmd
	log     string        // file
	exited  chan struct{} // closed when the process has ended
	exit    error         // what Wait said, once exited is closed
	release context.CancelFunc
}

// Start writes a configuration into a new folder below dir, starts the server and waits until it is ready. The context
// that it returns ends when the server does.
func Start(ctx context.Context, binary, dir string, c Config) (*Server, context.Context, error) {
	dir, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return nil, nil, err
	}
	client, err := FreePort()
	if err != nil {
		return nil, nil, err
	}
	api, err := FreePort()
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "stentor.yaml")
	if err := os.WriteFile(file, c.text(client, api), 0o600); err != nil {
		return nil, nil, err
	}
	s := &Server{
		Client: client,
		api:    "http://" + api.String(),
		key:    c.Credentials.APIKey,
		http:   &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: parallel}},
		log:    filepath.Join(dir, "stentor.log"),
		exited: make(chan struct{}),
	}
	began := time.Now()
	if err := s.start(binary, file); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s.release = func() { cancel(nil) }
	go func() {
		s.exit = s.cmd.Wait()
		close(s.exited)
		cancel(fmt.Errorf("the server ended (%v):\n%s", s.exit, s.tail()))
	}()
	if err := s.waitReady(ctx); err != nil {
		s.Stop()
		return nil, nil, err
	}
	s.ReadyAfter = time.Since(began)
	return s, ctx, nil
}

func (s *Server) start(binary, file string) error {
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(binary, "serve", "--config", file)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd.Env = serverEnv(os.Environ())
	return s.cmd.Start()
}

// serverEnv leaves out what would make the server another than the shipped one.
func serverEnv(env []string) (kept []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if name != "GOGC" && name != "GOMEMLIMIT" && name != "GODEBUG" && name != "GOMAXPROCS" && !strings.HasPrefix(name, "STENTOR_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// FreePort finds a loopback port that nobody listens on.
func FreePort() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the server is not ready after %v", startTimeout))
	defer cancel()
	for {
		_, err := s.Request(ctx, http.MethodGet, "/readyz", nil)
		if err == nil {
			return nil
		}
		if err := Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%w\n%s", err, s.tail())
		}
	}
}

// Stop ends the process: kindly, and if that takes too long, not.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.release()
	s.http.CloseIdleConnections()
}

// Kill ends the process at once, and returns when it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // fails only when it has ended
	<-s.exited
}

// tail is the end of the server's log.
func (s *Server) tail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return string(b[max(0, len(b)-most):])
}

// API is the URL of its HTTP API.
func (s *Server) API() string { return s.api }

// CPU is the processor time that the process has used.
func (s *Server) CPU() (time.Duration, error) { return proc.CPU(s.cmd.Process.Pid) }

// UserCPU is that in user mode.
func (s *Server) UserCPU() (time.Duration, error) { return proc.UserCPU(s.cmd.Process.Pid) }

// RSS is the resident memory of the process in bytes.
func (s *Server) RSS() (int64, error) { return proc.RSS(s.cmd.Process.Pid) }

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
	b, err := s.Request(ctx, http.MethodGet, "/v1/projects/"+Project+"/destinations", nil)
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

// HistoryBytes is the metric of messages that are kept for resuming clients, apart from what connections cost.
const HistoryBytes = "stentor_history_bytes"

// Metric returns the sum of all series of a metric.
func (s *Server) Metric(ctx context.Context, name string) (int64, error) {
	b, err := s.Request(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	return gauge(b, name)
}

// gauge adds up all series of a metric in the Prometheus text format.
func gauge(text []byte, name string) (int64, error) {
	sum, found := 0.0, false
	for line := range bytes.Lines(text) {
		rest, ok := strings.CutPrefix(string(bytes.TrimSpace(line)), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		if i := strings.LastIndexByte(rest, '}'); i >= 0 {
			rest = rest[i+1:]
		}
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ") // a time may follow
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, errors.New("the server has no metric " + name)
	}
	return int64(sum), nil
}

// Version is what the server's binary says it is.
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

// Sleep waits for d or the end of ctx, whose cause it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
