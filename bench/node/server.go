package node

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

// server is a running server process.
type server struct {
	client netip.AddrPort
	api    string
	key    string
	http   *http.Client

	cmd     *exec.Cmd
	log     string        // file
	exited  chan struct{} // closed when the process has ended
	exit    error         // what Wait said, once exited is closed
	release context.CancelFunc
}

// startServer writes a configuration into a new folder below dir, starts the server and waits until it is ready. The
// context that it returns ends when the server does.
func startServer(ctx context.Context, binary, dir string, c credentials) (*server, context.Context, error) {
	dir, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return nil, nil, err
	}
	client, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	api, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "stentor.yaml")
	if err := os.WriteFile(file, configuration(client, api, c), 0o600); err != nil {
		return nil, nil, err
	}
	s := &server{
		client: client,
		api:    "http://" + api.String(),
		key:    c.apiKey,
		http:   &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * burst}},
		log:    filepath.Join(dir, "stentor.log"),
		exited: make(chan struct{}),
	}
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
		s.stop()
		return nil, nil, err
	}
	return s, ctx, nil
}

func (s *server) start(binary, file string) error {
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

// freePort finds a loopback port that nobody listens on.
func freePort() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the server is not ready after %v", startTimeout))
	defer cancel()
	for {
		_, err := s.request(ctx, http.MethodGet, "/readyz", nil)
		if err == nil {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%w\n%s", err, s.tail())
		}
	}
}

// stop ends the process: kindly, and if that takes too long, not.
func (s *server) stop() {
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

// tail is the end of the server's log.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return string(b[max(0, len(b)-most):])
}

func (s *server) cpu() (time.Duration, error)     { return proc.CPU(s.cmd.Process.Pid) }
func (s *server) userCPU() (time.Duration, error) { return proc.UserCPU(s.cmd.Process.Pid) }
func (s *server) rss() (int64, error)             { return proc.RSS(s.cmd.Process.Pid) }

// request sends one request and returns the body of a 200 answer.
func (s *server) request(ctx context.Context, method, path string, body []byte) ([]byte, error) {
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

// subscriptions returns how many subscriptions a destination has.
func (s *server) subscriptions(ctx context.Context, destination string) (int, error) {
	b, err := s.request(ctx, http.MethodGet, "/v1/projects/"+project+"/destinations", nil)
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

// historyGauge has the bytes of messages that are kept for resuming clients, apart from what connections cost.
const historyGauge = "stentor_history_bytes"

// history returns the bytes of the server's history.
func (s *server) history(ctx context.Context) (int64, error) {
	b, err := s.request(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	return gauge(b, historyGauge)
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

// version is what the server's binary says it is.
func version(ctx context.Context, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	b, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", binary, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line, nil
}

// sleep waits for d or the end of ctx, whose cause it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
