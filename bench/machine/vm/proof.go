package vm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Proof is the result of a run of Million.
type Proof struct {
	Connections int      `json:"connections"`
	TLS         bool     `json:"tls,omitempty"`
	Results     []Claim  `json:"results"`
	Phases      []Phase  `json:"phases"`
	Problems    []string `json:"problems"` // what the load generator found wrong
	Samples     []Sample `json:"samples"`
	Proxy       *Cost    `json:"proxy,omitempty"` // of nginx, when there was one
	// ClosesASecond is the most that the server closed within a second when it left.
	ClosesASecond int64 `json:"closes_a_second,omitempty"`
}

// Claim is a figure and the most that it may be.
type Claim struct {
	Name   string `json:"name"`
	Value  int64  `json:"value"`
	Most   int64  `json:"most"`
	Unit   string `json:"unit"` // bytes, or empty for a number
	Passed bool   `json:"passed"`
}

// Phase is one of the load generator's.
type Phase struct {
	Name      string  `json:"name"`
	Seconds   float64 `json:"seconds"`
	Opened    int64   `json:"opened"`
	Delivered int64   `json:"delivered"`
}

// Targets for a million connections. For fewer they are in proportion, except fixed parts.
const (
	serverPerConnection = 1_100
	allPerConnection    = 10_000
	serverBase          = 48 << 20
	allBase             = 256 << 20
	// inFlight is the kernel's memory for a broadcast's message that is sent and not acknowledged: 1,024 bytes of data and
	// 512 of metadata. On an overloaded host every connection has one at the same time.
	inFlight = 1_536
	million  = 1_000_000
	// tlsPerConnection is what TLS adds to a server whose clients are written to, at the highest: at most 1,200 bytes for keys
	// and cipher, and the garbage of handshakes. While clients connect, the collector lets garbage grow to as much as the rest.
	// Measured were 2,680.
	tlsPerConnection = 2_300 // beside serverBase
	// tlsClient is a connection of crypto/tls in the load generator, with as much garbage.
	tlsClient = 26_000
)

func target(connections int, each, base int64) int64 {
	if connections < million {
		return int64(connections)*each + base
	}
	return int64(connections) * each
}

// ReadProof reads what million.sh brought out to dir.
func ReadProof(dir string, connections int, secure bool) (*Proof, error) {
	samples, err := readSamples(filepath.Join(dir, "figures", "samples.tsv"))
	if err != nil {
		return nil, err
	}
	load, err := readLoadResult(filepath.Join(dir, "million.json"))
	if err != nil {
		return nil, err
	}
	p := &Proof{Connections: connections, TLS: secure, Samples: samples, Problems: load.Verdict.Problems}
	if !load.Verdict.Good && len(p.Problems) == 0 {
		p.Problems = []string{"the load generator says that the run is not good"}
	}
	var lost, repeated, wrong, missed int64
	for _, phase := range load.Phases {
		p.Phases = append(p.Phases, Phase{Name: phase.Name, Seconds: phase.Seconds, Opened: phase.Opened, Delivered: phase.Delivered})
		lost += phase.Order.Lost
		repeated += phase.Order.Repeated
		wrong += phase.Order.Reordered + phase.Order.Corrupted + phase.Order.Misrouted
		missed += phase.HeartbeatsMissed
	}
	most := peak(samples, func(s Sample) int64 { return int64(s.Clients) })
	p.claim("connections that were missing at the most", max(0, int64(connections)-most), 0, "")
	p.claim("messages lost", lost, 0, "")
	p.claim("messages repeated", repeated, 0, "")
	p.claim("messages out of order, corrupted or misrouted", wrong, 0, "")
	p.claim("heart-beats missed", missed, 0, "")
	server, all := int64(serverPerConnection), int64(allPerConnection)
	if secure {
		server, all = server+tlsPerConnection, all+tlsPerConnection+tlsClient
	}
	p.claim("server's RSS", peak(samples, func(s Sample) int64 { return s.Server }), target(connections, server, serverBase), bytesUnit)
	if err := p.left(dir, load); err != nil {
		return nil, err
	}
	p.Proxy = costOf(p)
	if peak(samples, func(s Sample) int64 { return s.Proxy }) == 0 { // there is no target for what nginx adds
		used := func(s Sample) int64 { return s.Used }
		p.claim("kernel and both processes, when each phase has ended", peak(atRest(samples), used), target(connections, all, allBase), bytesUnit)
		p.claim("the same at any time", peak(samples, used), target(connections, all+inFlight, allBase), bytesUnit)
	}
	return p, nil
}

// left judges how the server left, if it did: it closed all connections with 1012, and ended in time.
func (p *Proof) left(dir string, load *loadResult) error {
	b, err := os.ReadFile(filepath.Join(dir, "figures", "leave.tsv"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var took, most float64
	if _, err := fmt.Sscan(string(b), &took, &most); err != nil {
		return fmt.Errorf("leave.tsv: %q: %w", b, err)
	}
	var left int64
	for _, phase := range load.Phases {
		left += phase.Left
	}
	for _, second := range load.Series {
		p.ClosesASecond = max(p.ClosesASecond, second.Left)
	}
	p.claim("connections not closed with 1012 when the server left", int64(p.Connections)-left, 0, "")
	p.claim("seconds until the server that left had ended, of drain.timeout", int64(math.Ceil(took)), int64(most), "")
	return nil
}

const bytesUnit = "bytes"

func (p *Proof) claim(name string, value, most int64, unit string) {
	p.Results = append(p.Results, Claim{Name: name, Value: value, Most: most, Unit: unit, Passed: value <= most})
}

// Missed is how many claims and checks failed.
func (p *Proof) Missed() int {
	n := len(p.Problems)
	for _, c := range p.Results {
		if !c.Passed {
			n++
		}
	}
	return n
}

// WriteTable writes the proof for people.
func (p *Proof) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s connections\tmeasured\tat most\t\n", group(int64(p.Connections)))
	for _, c := range p.Results {
		verdict := "ok"
		if !c.Passed {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.Name, c.text(c.Value), c.text(c.Most), verdict)
	}
	fmt.Fprintln(t, "\t\t\t\nphase\tseconds\topened\tdelivered")
	for _, f := range p.Phases {
		fmt.Fprintf(t, "%s\t%.1f\t%s\t%s\n", f.Name, f.Seconds, group(f.Opened), group(f.Delivered))
	}
	fmt.Fprintln(t, "\t\t\t\nafter\tconnections\tserver\tgenerator\tnginx\tslab\tall\tCPU of server, generator, nginx")
	for _, s := range p.Samples {
		if s.Phase == running {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f s, %.0f s, %.0f s\n", s.Phase, group(int64(s.Clients)),
			megabytes(s.Server), megabytes(s.Generator), megabytes(s.Proxy), megabytes(s.Slab), megabytes(s.Used),
			s.ServerCPU.Seconds(), s.LoadCPU.Seconds(), s.ProxyCPU.Seconds())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if each := eachOf(p.Samples); each != nil {
		fmt.Fprintf(w, "\na connection that is open and idle: %s bytes of the server, %s of the load generator, %s of the kernel for both ends\n",
			group(each.server), group(each.generator), group(each.kernel))
	}
	if p.Proxy != nil {
		fmt.Fprintln(w)
		p.Proxy.write(w)
	}
	if p.ClosesASecond > 0 {
		fmt.Fprintf(w, "\nwhen the server left it closed at most %s connections a second\n", group(p.ClosesASecond))
	}
	for _, text := range p.Problems {
		fmt.Fprintln(w, "problem:", text)
	}
	return nil
}

// shares are what one connection takes.
type shares struct{ server, generator, kernel int64 }

// eachOf divides what the phase that opened all connections has added; nil when the run did not get that far.
func eachOf(samples []Sample) *shares {
	start, open := sampleOf(samples, "start"), sampleOf(samples, "open")
	if start == nil || open == nil || open.Clients == 0 {
		return nil
	}
	n := int64(open.Clients)
	return &shares{(open.Server - start.Server) / n, (open.Generator - start.Generator) / n, (open.Slab - start.Slab) / n}
}

// running is the phase of samples that were taken between the phases.
const running = "running"

func (c *Claim) text(n int64) string {
	if c.Unit == bytesUnit {
		return megabytes(n)
	}
	return group(n)
}

func megabytes(n int64) string { return group(n/1e6) + " MB" }

// group writes a number with commas.
func group(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
