package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sample is one line of samples.tsv: what million.sh noted at one time. Sizes are in bytes.
type Sample struct {
	At        time.Duration `json:"at_ns"` // since the machine's start
	Phase     string        `json:"phase"`
	Clients   int           `json:"clients"`   // sockets of both ends, halved
	Used      int64         `json:"used"`      // by all: kernel and both processes, since before the server began
	Server    int64         `json:"server"`    // its RSS
	Generator int64         `json:"generator"` // its RSS
	Slab      int64         `json:"slab"`
	ServerCPU time.Duration `json:"server_cpu_ns"`
	LoadCPU   time.Duration `json:"generator_cpu_ns"`
	Proxy     int64         `json:"proxy,omitempty"` // nginx's RSS, of all its processes
	ProxyCPU  time.Duration `json:"proxy_cpu_ns,omitempty"`
}

const sampleFields = 11

func readSamples(file string) ([]Sample, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no figures came out of the machine")
	}
	if err != nil {
		return nil, err
	}
	var all []Sample
	for line := range strings.Lines(string(b)) {
		s, err := parseSample(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// parseSample reads a line. A figure of a process that has ended is empty, and 0 then.
func parseSample(line string) (s Sample, err error) {
	f := strings.Split(line, "\t")
	if len(f) != sampleFields {
		return s, fmt.Errorf("%d fields, want %d: %q", len(f), sampleFields, line)
	}
	number := func(text string) float64 {
		if text == "" {
			return 0
		}
		v, bad := strconv.ParseFloat(text, 64)
		if bad != nil && err == nil {
			err = fmt.Errorf("%q: %w", line, bad)
		}
		return v
	}
	kib := func(text string) int64 { return int64(number(text)) << 10 }
	const tick = time.Second / 100
	s = Sample{
		At: time.Duration(number(f[0]) * float64(time.Second)), Phase: f[1], Clients: int(number(f[2])),
		Used: kib(f[3]), Server: kib(f[4]), Generator: kib(f[5]), Slab: kib(f[6]),
		ServerCPU: time.Duration(number(f[7])) * tick, LoadCPU: time.Duration(number(f[8])) * tick,
		Proxy: kib(f[9]), ProxyCPU: time.Duration(number(f[10])) * tick,
	}
	return s, err
}

// atRest are the samples of the ends of phases: nothing is on its way.
func atRest(all []Sample) []Sample {
	return slices.DeleteFunc(slices.Clone(all), func(s Sample) bool { return s.Phase == running })
}

// peak is the greatest of a figure over all samples.
func peak(all []Sample, of func(Sample) int64) (most int64) {
	for _, s := range all {
		most = max(most, of(s))
	}
	return most
}
