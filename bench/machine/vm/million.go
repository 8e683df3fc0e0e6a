package vm

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"stentor/engine/testkit/certificate"
)

//go:embed million.sh
var millionScript string

// Million is the proof that one server process holds a million clients, in a machine.
type Million struct {
	Machine     // without files, job and memory, which are chosen here
	Connections int
	// Heartbeat is the interval that the clients offer and request. An emulated machine takes 0.1 ms for each heart-beat.
	Heartbeat time.Duration
	// Stentor and Bench are the two programs, Tuning the folder with the tuning scripts; without it only the descriptor
	// limit is raised.
	Stentor, Bench, Tuning string
	BenchFlags             []string // more for `stentor-bench million`
	// Via puts nginx in front of the server, with a configuration that `stentor proxy-config` writes.
	Via   Via
	Nginx string // the program, unless Via is Direct
	// TLS makes the clients connect to wss:// of the server itself, with a certificate that is made for the run.
	TLS bool
	// LocalPorts, when it is set, is net.ipv4.ip_local_port_range: with few ports, few connections meet the limits that many
	// meet otherwise.
	LocalPorts string
	// Leave makes the server leave at the end, with all clients connected and a broadcast in flight.
	Leave bool
	// After is how long after all clients have left the run notes what the server keeps; 0: it does not. Go looks for what
	// is unused every 2 minutes at the latest, and gives it back gradually. It is rounded down to seconds.
	After time.Duration
}

// Via is how clients reach the server.
type Via string

// The ways. One pair of addresses between nginx and the server allows some 55,000 connections at most, and 25,000 at full
// speed: these three allow more.
const (
	Direct  Via = ""
	Unix    Via = "unix"    // a Unix socket
	Ports   Via = "ports"   // several ports of the server
	Sources Via = "sources" // several addresses of nginx
)

// The machine's memory: a fixed part for the kernel, the file system in memory and both programs, and a part for both ends
// of each connection, with room for a broadcast in flight.
const (
	baseMemory          = 1 << 30
	memoryPerConnection = 17 << 10
	// nginx adds two sockets, with buffers during a broadcast, and 18 KiB of its own.
	memoryPerProxied = 42 << 10
	// TLS adds to the server, and to the load generator, whose client is crypto/tls, what it keeps and as much garbage.
	memoryPerTLS = 32 << 10
)

// Run boots the machine, runs the proof, and returns it; nil when there is no result.
func (m *Million) Run(ctx context.Context) (*Proof, error) {
	each := int64(memoryPerConnection)
	switch m.Via {
	case Direct:
	case Unix, Ports, Sources:
		each = memoryPerProxied
		m.Files = append(m.Files, File{Host: m.Nginx, Guest: "/bin/nginx"})
	default:
		return nil, fmt.Errorf("found the way %q, allowed: %s, %s, %s", m.Via, Unix, Ports, Sources)
	}
	if m.TLS && m.Via != Direct {
		return nil, fmt.Errorf("--tls: found with --via %s, allowed: without --via, since TLS ends in the server", m.Via)
	}
	secure := ""
	if m.TLS {
		dir, err := os.MkdirTemp("", "stentor-vm-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := m.certify(dir); err != nil {
			return nil, err
		}
		secure, each = "1", each+memoryPerTLS
	}
	m.Memory = baseMemory + int64(m.Connections)*each
	m.Job = millionScript
	ip, err := exec.LookPath("ip") // busybox has one that knows less
	if err != nil {
		return nil, fmt.Errorf("%w: run bench/machine/vm/deps.sh", err)
	}
	m.Files = append(m.Files, File{Host: m.Stentor, Guest: "/bin/stentor"}, File{Host: m.Bench, Guest: "/bin/stentor-bench"}, File{Host: ip, Guest: "/bin/ip"})
	if m.Tuning != "" {
		for _, pattern := range []string{"*.sh", "*.awk"} {
			files, err := filepath.Glob(filepath.Join(m.Tuning, pattern))
			if err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("no %s in %s", pattern, m.Tuning)
			}
			for _, file := range files {
				m.Files = append(m.Files, File{Host: file, Guest: "/root/tuning/" + filepath.Base(file)})
			}
		}
	}
	m.Env = map[string]string{
		"CONNECTIONS": fmt.Sprint(m.Connections),
		"HEARTBEAT":   m.Heartbeat.String(),
		"SECRET":      rand.Text() + rand.Text(),
		"API_KEY":     rand.Text(),
		"VIA":         string(m.Via),
		"TLS":         secure,
		"LOCAL_PORTS": m.LocalPorts,
		"LEAVE":       "",
		"AFTER":       fmt.Sprint(int(m.After.Seconds())),
		"BENCH_FLAGS": strings.Join(m.BenchFlags, " "),
	}
	if m.Leave {
		m.Env["LEAVE"] = "1"
	}
	status, ran := m.Machine.Run(ctx)
	if ran == nil && status != 0 {
		ran = fmt.Errorf("the run in the machine ended with status %d: see %s", status, filepath.Join(m.Out, "console.log"))
	}
	proof, err := ReadProof(m.Out, m.Connections, m.TLS)
	if err != nil {
		return nil, errors.Join(ran, err)
	}
	return proof, ran
}

// certify makes a certificate in dir, for the machine's server and its clients.
func (m *Million) certify(dir string) error {
	pair, err := certificate.New()
	if err != nil {
		return err
	}
	file, err := pair.Write(dir)
	m.Files = append(m.Files, File{Host: file, Guest: "/root/push.pem"}, File{Host: file + ".key", Guest: "/root/push.pem.key"})
	return err
}

// loadResult is the part of the load generator's report (package result) that is read.
type loadResult struct {
	Phases []struct {
		Name             string
		Seconds          float64
		Opened           int64
		Delivered        int64
		Left             int64
		HeartbeatsMissed int64 `json:"heartbeats_missed"`
		Failures         map[string]int64
		Order            struct{ Lost, Repeated, Reordered, Corrupted, Misrouted int64 }
	}
	Series []struct {
		Left int64
	}
	Verdict struct {
		Good     bool
		Problems []string
	}
}

func readLoadResult(file string) (*loadResult, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the load generator's report: %w", err)
	}
	var r loadResult
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}
