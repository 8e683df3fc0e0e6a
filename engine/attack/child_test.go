//go:build attacks

package attack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The environment of a child.
const (
	roleVariable     = "STENTOR_ATTACK_ROLE"
	argumentVariable = "STENTOR_ATTACK_ARGUMENT"
)

// patience is how long the parent waits for what has to happen.
const patience = 60 * time.Second

// A child is this test's binary in another role. The two talk over standard input and output: the child says "ready",
// the parent "begin"; the parent closes the input, the child answers with its result as one line of JSON.
type child struct {
	role    string
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers chan string // lines of its output, closed at its end
	errors  tail
}

// spawn starts a child, which ends with the test at the latest.
func spawn(t testing.TB, role string, argument any) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{role: role, cmd: exec.Command(self), answers: make(chan string, 4)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, argumentVariable+"="+string(text))
	c.cmd.Stderr = &c.errors
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.orders, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.answers)
		for in := bufio.NewReader(out); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			c.answers <- line
		}
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the child at once. It may be called more than once.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	_ = c.cmd.Wait()
}

// answer waits for a line.
func (c *child) answer() (string, error) {
	select {
	case line, ok := <-c.answers:
		if !ok {
			return "", fmt.Errorf("the %s has ended: %s", c.role, c.errors.String())
		}
		return line, nil
	case <-time.After(patience):
		return "", fmt.Errorf("the %s does not answer: %s", c.role, c.errors.String())
	}
}

// ready waits until the child has prepared its part.
func (c *child) ready() error {
	_, err := c.answer()
	return err
}

func (c *child) begin() error {
	_, err := io.WriteString(c.orders, "begin\n")
	return err
}

// end stops the child's work and reads its result.
func (c *child) end(result any) error {
	if err := c.orders.Close(); err != nil {
		return err
	}
	line, err := c.answer()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(line), result)
}

// A stage is the child's side of the talk.
type stage struct{ orders *bufio.Reader }

// begin says that all is prepared and waits for the parent. The context ends when the work has to.
func (s *stage) begin() (context.Context, error) {
	fmt.Println("ready")
	if line, err := s.orders.ReadString('\n'); err != nil || line != "begin\n" {
		return nil, errors.New("the parent does not say begin")
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = s.orders.ReadByte() // the end of the input, whatever it looks like
		cancel()
	}()
	return ctx, nil
}

// roles are what a child can be. A role's result becomes JSON.
var roles = map[string]func(s *stage, argument []byte) (any, error){
	"victim":   playVictim,
	"attacker": playAttacker,
	"burner":   playBurner,
}

func play(role string) int {
	part, ok := roles[role]
	if !ok {
		fmt.Fprintln(os.Stderr, "there is no role", role)
		return 2
	}
	result, err := part(&stage{bufio.NewReader(os.Stdin)}, []byte(os.Getenv(argumentVariable)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4000

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
