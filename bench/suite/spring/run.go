package spring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/gen/page"
	"stentor/bench/gen/result"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

// Comparison is what a run has found.
type Comparison struct {
	Started time.Time    `json:"started"`
	Machine proc.Machine `json:"machine"`
	Stentor string       `json:"stentor"` // what its version command prints
	Java    string       `json:"java"`    // likewise
	Seconds float64      `json:"seconds"` // of pushing in each run
	Figures []Figures    `json:"figures"`
}

type bench struct {
	Options
	dir      string // for configurations and logs
	progress *report.Progress
	pages    map[string][]page.Run // by file: what is shown beside each other
	found    *Comparison
}

// Run compares. The comparison has the runs that were completed even when there is an error. The results of the runs,
// and a page for each load that shows both servers, are in o.Out.
func Run(ctx context.Context, o Options) (c *Comparison, err error) {
	c = &Comparison{Started: time.Now(), Machine: proc.ThisMachine(), Seconds: o.Duration.Seconds()}
	if err := o.check(); err != nil {
		return c, err
	}
	if c.Stentor, err = server.Version(ctx, o.Stentor); err != nil {
		return c, err
	}
	if c.Java, err = javaVersion(ctx, o.Java); err != nil {
		return c, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return c, err
	}
	dir, err := os.MkdirTemp("", "stentor-bench-")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	b := &bench{Options: o, dir: dir, progress: report.NewProgress(o.Progress, o.Terminal), pages: map[string][]page.Run{}, found: c}
	defer b.progress.Close()
	for _, n := range o.Connections {
		for _, one := range []func(context.Context, int) error{b.stentor, b.spring} {
			if err = one(ctx, n); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	for file, runs := range b.pages {
		err = errors.Join(err, page.WriteFile(filepath.Join(o.Out, file), runs...))
	}
	return c, err
}

// subject is a server that runs, and what tells a load generator where it is.
type subject struct {
	process
	name  string
	flags []string
}

// body is what both servers take.
const body = `{"topic":"{{.Destination}}","payload":{{.Payload}}}`

// stentor measures a node with the embedded bus, as shipped.
func (b *bench) stentor(ctx context.Context, connections int) error {
	c := server.NewCredentials()
	b.progress.Step(nil, "stentor: starting for %d connections", connections)
	s, ctx, err := server.Start(ctx, b.Stentor, b.dir, server.Config{Credentials: c})
	if err != nil {
		return err
	}
	defer s.Stop()
	return b.round(ctx, connections, subject{s, "stentor", []string{
		"--url=ws://" + s.Client.String() + server.Path, "--project=" + server.Project, "--topic=" + server.Topic,
		"--push-url=" + s.API() + "/v1/projects/" + server.Project + "/push", "--push-header=Authorization=Bearer " + c.APIKey,
	}})
}

// spring measures the Spring application.
func (b *bench) spring(ctx context.Context, connections int) error {
	b.progress.Step(nil, "spring: starting for %d connections", connections)
	a, ctx, err := startApp(ctx, b.Java, b.Jar, b.dir)
	if err != nil {
		return err
	}
	defer a.Stop(stopTimeout)
	return b.round(ctx, connections, subject{a, "spring", []string{
		"--url=ws://" + a.address.String() + "/ws", "--topic=/topic/all", "--push-url=http://" + a.address.String() + "/send",
	}})
}

// round warms a server up and makes one run for each number of deliveries.
func (b *bench) round(ctx context.Context, connections int, s subject) (err error) {
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause // the server's end rather than what came of it
		}
		if err != nil {
			err = fmt.Errorf("%s, %d connections: %w", s.name, connections, err)
		}
	}()
	url, look, err := metrics(s)
	if err != nil {
		return err
	}
	defer look.Close()
	s.flags = append(s.flags, "--metrics="+url)
	b.progress.Step(nil, "%s: warming up", s.name)
	if _, err := b.load(ctx, s, filepath.Join(b.dir, "warm.json"), min(connections, warmConnections), warmRate, warmDuration); err != nil {
		return err
	}
	for i, asked := range b.Deliveries {
		if err := pace.Wait(ctx, calm); err != nil {
			return err
		}
		base := int64(0)
		if i == 0 {
			if base, err = s.RSS(); err != nil {
				return err
			}
		}
		rate := float64(asked) / float64(connections)
		b.progress.Step(nil, "%s: %d connections, %.3g pushes a second", s.name, connections, rate)
		r, err := b.load(ctx, s, filepath.Join(b.Out, fmt.Sprintf("%s-%d-%d.json", s.name, connections, asked)), connections, rate, b.Duration)
		if err != nil {
			return err
		}
		both := fmt.Sprintf("comparison-%d-%d.html", connections, asked)
		b.pages[both] = append(b.pages[both], page.Run{Label: s.name, Result: r})
		f, err := figures(r, base)
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.Join(r.Verdict.Problems, "; "))
		}
		f.Server, f.Connections, f.Asked = s.name, connections, asked
		b.found.Figures = append(b.found.Figures, f)
	}
	return nil
}

// load makes one run, whose result is also in a file. That messages were wrong is no error: it is what is to be found.
func (b *bench) load(ctx context.Context, s subject, file string, connections int, rate float64, d time.Duration) (*result.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("a run takes longer than %v", runTimeout))
	defer cancel()
	if err := os.RemoveAll(file); err != nil { // an older one must not be taken for this run's
		return nil, err
	}
	var said strings.Builder
	c := b.Generator(append([]string{
		"--quiet", "--receipts=false", "--resume=false", "--subscribe=topic", "--json=" + file, "--push-body=" + body,
		fmt.Sprintf("--connections=%d", connections), fmt.Sprintf("--open-rate=%d", openRate), fmt.Sprintf("--rate=%g", rate),
		fmt.Sprintf("--payload=%d", payload), "--duration=" + d.String(), "--settle=" + settle.String(),
	}, s.flags...)...)
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() }) // fails only when it has ended
	failed := c.Wait()
	stop()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the load generator wrote no result (%v):\n%s", failed, said.String())
	}
	r := &result.Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
