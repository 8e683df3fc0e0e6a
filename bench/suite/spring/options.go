package spring

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Options says what to compare.
type Options struct {
	Stentor string // the server's binary
	Jar     string // the Spring application
	Java    string // the command that runs it
	// Generator makes the command "stentor-bench run broadcast" with more flags.
	Generator   func(flags ...string) *exec.Cmd
	Connections []int // one round each
	Deliveries  []int // messages delivered a second, one run each in every round
	Duration    time.Duration
	Out         string // folder for the results and the page
	Progress    io.Writer
	Terminal    bool // Progress may be drawn over
}

const (
	openRate = 1000 // connections a second
	payload  = 200  // bytes
	// settle is how long nothing may come until what is missing is lost.
	settle = 10 * time.Second
	// calm is how long a server is left alone after a run, for connections to be gone.
	calm = 3 * time.Second
	// startTimeout is for the Spring application; stopTimeout for its kind end.
	startTimeout = 2 * time.Minute
	stopTimeout  = 10 * time.Second
	// runTimeout bounds one run.
	runTimeout = 15 * time.Minute
)

// The load before anything is taken.
const (
	warmConnections = 500
	warmRate        = 40
	warmDuration    = 8 * time.Second
)

func (o *Options) check() error {
	for _, binary := range []*string{&o.Stentor, &o.Java} {
		path, err := exec.LookPath(*binary)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			return err
		}
		*binary = path
	}
	if len(o.Connections) == 0 || len(o.Deliveries) == 0 {
		return errors.New("there is nothing to compare: name connections and deliveries a second")
	}
	for _, n := range append(append([]int{}, o.Connections...), o.Deliveries...) {
		if n < 1 {
			return fmt.Errorf("found %d, allowed: numbers from 1 up", n)
		}
	}
	if o.Duration < 3*time.Second {
		return fmt.Errorf("%v of pushing is too short to take CPU from: use 3s or more", o.Duration)
	}
	return nil
}
