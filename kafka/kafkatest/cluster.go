package kafkatest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"stentor/engine/testkit/ports"
)

// Cluster is a running Kafka. Brokers are counted from 0, and that number is their node id in Kafka's metadata too.
// Its methods may be called from any goroutine, but only one at a time for one broker.
type Cluster struct {
	classPath string
	jvm       []string
	dir       string
	brokers   []*broker
}

// Start runs a cluster of n brokers until the test ends, and fails the test when it cannot. If the test has failed, it
// prints the end of each broker's log. It skips the test where KAFKA_BOOTSTRAP names another Kafka and there is no Java.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil && os.Getenv("KAFKA_BOOTSTRAP") != "" {
		t.Skip("this test needs brokers of its own, and there is no Java to run them")
	}
	c, err := New(n, Quick)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, b := range c.brokers {
				t.Logf("broker %d:\n%s", b.ID, b.tail())
			}
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Bootstrap returns the address of some Kafka: KAFKA_BOOTSTRAP, or a broker of the test's own.
func Bootstrap(t testing.TB) string {
	t.Helper()
	if address := os.Getenv("KAFKA_BOOTSTRAP"); address != "" {
		return address
	}
	return Start(t, 1).Bootstrap()
}

// Quick is an option of the JVM: a broker starts with half of the work (4 s of CPU) and is slower from then on.
const Quick = "-XX:TieredStopAtLevel=1"

// New starts a cluster of n brokers, with options of the JVM besides its heap; the caller stops it. Topics have as many
// replicas as there are brokers, three at most.
func New(n int, jvm ...string) (*Cluster, error) {
	classPath, err := classPath()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "stentor-kafka-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{classPath: classPath, jvm: jvm, dir: dir}
	if err := c.start(n); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(n int) error {
	// A broker that was killed must find its own ports free again.
	free := make([]int, 5*n)
	for i := range free {
		at, err := ports.Free(netip.Addr{})
		if err != nil {
			return err
		}
		free[i] = int(at.Port())
	}
	var voters []string
	replicas := min(n, 3)
	for i := range n {
		b := &broker{
			ID: i, Dir: filepath.Join(c.dir, strconv.Itoa(i)),
			Plain: free[5*i], SASL: free[5*i+1], Far: free[5*i+2], Wire: free[5*i+3], Controller: free[5*i+4],
			Replicas: replicas, InSync: max(1, replicas-1),
		}
		c.brokers = append(c.brokers, b)
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i, b.Controller))
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	cluster := base64.RawURLEncoding.EncodeToString(id)
	// All at once: a controller is ready only when most of them are running.
	return c.each(func(b *broker) error {
		b.Voters = strings.Join(voters, ",")
		if err := b.format(c.classPath, cluster); err != nil {
			return err
		}
		return b.start(c.classPath, c.jvm)
	})
}

func (c *Cluster) each(do func(*broker) error) error {
	errs := make([]error, len(c.brokers))
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() { errs[i] = do(b) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Bootstrap returns the addresses where everything is allowed without credentials.
func (c *Cluster) Bootstrap() string { return c.addresses(func(b *broker) int { return b.Plain }) }

// SASL returns the addresses of the listener for SASL_PLAINTEXT with PLAIN. The users node and backend, each with its
// name as password, may do what ACLs grant them.
func (c *Cluster) SASL() string { return c.addresses(func(b *broker) int { return b.SASL }) }

// Far returns addresses of the brokers that Cut disconnects. Everything is allowed there without credentials.
func (c *Cluster) Far() (string, error) {
	for _, b := range c.brokers {
		if b.wire != nil {
			continue
		}
		var err error
		if b.wire, err = newWire(local(b.Wire), local(b.Far)); err != nil {
			return "", err
		}
	}
	return c.addresses(func(b *broker) int { return b.Wire }), nil
}

// Cut stops all data between broker i and the clients of its address in Far, CutUp only what goes to the broker; Mend ends
// that. Connections stay open.
func (c *Cluster) Cut(i int)   { c.brokers[i].wire.set(true, true) }
func (c *Cluster) CutUp(i int) { c.brokers[i].wire.set(true, false) }
func (c *Cluster) Mend(i int)  { c.brokers[i].wire.set(false, false) }

// Holds reports whether these bytes were sent to broker i since Cut or CutUp, and will arrive after Mend.
func (c *Cluster) Holds(i int, some string) bool { return c.brokers[i].wire.holds([]byte(some)) }

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func (c *Cluster) addresses(port func(*broker) int) string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, local(port(b)))
	}
	return strings.Join(all, ",")
}

// KillBroker ends broker i with SIGKILL. Its data stays for RestartBroker.
func (c *Cluster) KillBroker(i int) { c.brokers[i].end(syscall.SIGKILL) }

// RestartBroker starts broker i, which was killed, on its old data and ports and returns once it serves clients.
func (c *Cluster) RestartBroker(i int) error { return c.brokers[i].start(c.classPath, c.jvm) }

// Freeze stops broker i without a word to its peers, as when its host loses power; Thaw lets it continue.
func (c *Cluster) Freeze(i int) error { return c.brokers[i].process.Signal(syscall.SIGSTOP) }
func (c *Cluster) Thaw(i int) error   { return c.brokers[i].process.Signal(syscall.SIGCONT) }

// RunTool runs one of Kafka's tools, such as Topics or Groups, and returns what it printed.
func (c *Cluster) RunTool(class string, args ...string) (string, error) {
	return RunTool(c.Bootstrap(), class, args...)
}

// Exited is closed when the process of broker i has ended.
func (c *Cluster) Exited(i int) <-chan struct{} { return c.brokers[i].exited }

// Stop ends all brokers and removes their data.
func (c *Cluster) Stop() error {
	sig := syscall.SIGTERM
	if len(c.brokers) > 1 {
		sig = syscall.SIGKILL // an orderly stop takes 6 s: the last ones lack the majority that has to release them
	}
	err := c.each(func(b *broker) error {
		b.end(sig)
		if b.wire != nil {
			return b.wire.close()
		}
		return nil
	})
	return errors.Join(err, os.RemoveAll(c.dir))
}
