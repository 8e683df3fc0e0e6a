package kafkatest

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// The heap is half of what Kafka's own scripts set; a broker takes some 400 MB in all.
const (
	heap         = "-Xmx512m"
	readyLine    = "Kafka Server started"
	readyTimeout = 5 * time.Minute // 3.6 s where nothing else runs; a broker that ends is noticed at once
	stopTimeout  = 10 * time.Second
)

//go:embed server.properties
var serverProperties string

//go:embed log4j2.properties
var log4jProperties []byte

var serverTemplate = template.Must(template.New("server.properties").Parse(serverProperties))

// broker is one node of the cluster: broker and controller in one process.
type broker struct {
	ID               int
	Dir              string
	Plain, SASL, Far int // ports for clients
	Wire, Controller int // port of the wire to Far, and of the controller
	Voters           string
	Replicas, InSync int

	wire    *wire // nil until Far is called
	process *os.Process
	exited  chan struct{} // closed when the process is gone; nil before the first start
}

// format writes the configuration and an empty log.
func (b *broker) format(classPath, cluster string) error {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(b.file("server.properties"))
	if err != nil {
		return err
	}
	if err := errors.Join(serverTemplate.Execute(f, b), f.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(b.file("log4j2.properties"), log4jProperties, 0o644); err != nil {
		return err
	}
	// With =, since an id may begin with a dash.
	_, err = tool(classPath, "kafka.tools.StorageTool", "format", "--cluster-id="+cluster, "-c", b.file("server.properties"))
	return err
}

func (b *broker) file(name string) string { return filepath.Join(b.Dir, name) }

// start runs the broker and returns once it serves clients.
func (b *broker) start(classPath string, jvm []string) error {
	log, err := os.OpenFile(b.file("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	cmd := exec.Command("java", slices.Concat(jvm, []string{heap, "-Dlog4j2.configurationFile=" + b.file("log4j2.properties"),
		"-cp", classPath, "kafka.Kafka", b.file("server.properties")})...)
	// Not in the terminal's process group, so that Ctrl-C does not reach it: the broker ends when its parent ends it, or ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	started, ready, exited := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		// The kernel sends Pdeathsig when the thread that started the process ends: keep that thread as long as the process.
		runtime.LockOSThread()
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		defer close(exited)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if _, werr := log.WriteString(line); werr != nil || err != nil {
				break
			}
			if ready != nil && strings.Contains(line, readyLine) {
				close(ready)
				ready = nil
			}
		}
		_ = cmd.Wait() // the exit status of a killed process means nothing
	}()
	isReady := ready
	if err := <-started; err != nil {
		return err
	}
	b.process, b.exited = cmd.Process, exited
	select {
	case <-isReady:
		return nil
	case <-exited:
		return fmt.Errorf("broker %d ended at its start\n%s", b.ID, b.tail())
	case <-time.After(readyTimeout):
		return fmt.Errorf("broker %d is not ready after %v\n%s", b.ID, readyTimeout, b.tail())
	}
}

// end sends the process sig and waits until it has ended; after stopTimeout from SIGTERM it is killed.
func (b *broker) end(sig os.Signal) {
	if b.exited == nil {
		return
	}
	_ = b.process.Signal(sig)
	select {
	case <-b.exited:
	case <-time.After(stopTimeout):
		_ = b.process.Kill()
		<-b.exited
	}
}

// tail returns the end of what the broker has logged.
func (b *broker) tail() string {
	log, err := os.ReadFile(b.file("log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4096):])
}
