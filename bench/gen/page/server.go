package page

import (
	"fmt"
	"math"

	"stentor/bench/gen/result"
)

// sample is the server's metrics at one second.
type sample struct {
	at float64
	result.Server
}

func samples(r *result.Result) (all []sample) {
	for _, s := range r.Series {
		if s.Server != nil {
			all = append(all, sample{s.At, *s.Server})
		}
	}
	return all
}

// memoryOf is the server's memory per connection, without its memory before the run. ok is false when it is unknown.
func (p *report) memoryOf(s *result.Server) (bytes float64, ok bool) {
	return beyond(p.result.Before, s.RSS, s.Connections)
}

// beyond divides the growth in memory by the growth in connections; before is nil in results of earlier versions.
func beyond(before *result.Server, rss, connections int64) (bytes float64, ok bool) {
	if before != nil {
		rss, connections = rss-before.RSS, connections-before.Connections
	}
	if rss <= 0 || connections <= 0 {
		return 0, false
	}
	return float64(rss) / float64(connections), true
}

// memoryNote says what memoryOf divides.
func (p *report) memoryNote() string {
	if p.result.Before == nil {
		return "all of it, divided"
	}
	return "beyond the " + size(float64(p.result.Before.RSS)) + " before the run"
}

// perConnection is the server's memory per connection when it had the most connections.
func (p *report) perConnection() (bytes float64, ok bool) {
	var full sample
	for _, s := range p.server {
		if s.Connections > full.Connections || s.Connections == full.Connections && s.RSS > full.RSS {
			full = s
		}
	}
	return p.memoryOf(&full.Server)
}

func (p *report) mostMemory() (most float64) {
	for _, s := range p.server {
		most = math.Max(most, float64(s.RSS))
	}
	return most
}

// cpu is the CPU time of the server between the samples nearest to two times. ok is false when there are no two samples, or
// when the server restarted between them.
func (p *report) cpu(from, to float64) (seconds float64, ok bool) {
	first, last := -1, -1
	for i, s := range p.server {
		if s.at <= from || first < 0 {
			first = i
		}
		if s.at <= to+0.5 {
			last = i
		}
	}
	if first < 0 || last <= first || p.server[first].at > from+2 {
		return 0, false
	}
	seconds = p.server[last].CPUSeconds - p.server[first].CPUSeconds
	return seconds, seconds >= 0
}

// cores yields how many cores the server kept busy between each two samples.
func (p *report) cores() (all []sampleValue) {
	for i, j := 0, 1; j < len(p.server); j++ {
		a, b := p.server[i], p.server[j]
		d := b.at - a.at
		if d < least {
			continue
		}
		i = j
		if b.CPUSeconds >= a.CPUSeconds {
			all = append(all, sampleValue{b.at, (b.CPUSeconds - a.CPUSeconds) / d})
		} else {
			all = append(all, sampleValue{b.at, math.NaN()})
		}
	}
	return all
}

type sampleValue struct{ at, v float64 }

func (p *report) serverTable() table {
	t := table{Caption: "Server", Head: []string{"phase", "connections", "memory", "per connection", "CPU", "cores", "CPU per delivery", "CPU per new connection"}}
	if len(p.server) == 0 {
		return t
	}
	for i, f := range p.result.Phases {
		none := text("–")
		connections, memory, one := none, none, none
		for _, s := range p.server {
			if s.at > f.Begin && s.at <= f.Begin+f.Seconds+0.5 {
				connections, memory = count(s.Connections), text(size(float64(s.RSS)))
				one = none
				if v, ok := p.memoryOf(&s.Server); ok {
					one = text(each(v))
				}
			}
		}
		used, cores, delivery, opened := none, none, none, none
		if cpu, ok := p.cpu(f.Begin, f.Begin+f.Seconds); ok && f.Seconds >= 3 { // a shorter one has too few samples
			used, cores = text(length(cpu)), text(digits(cpu/f.Seconds))
			// A server that does both at once has no separate figure for either.
			if f.Delivered > 0 && f.Opened*20 < f.Delivered {
				delivery = text(micros(cpu * 1e6 / float64(f.Delivered)))
			}
			if f.Opened > 0 && f.Delivered*20 < f.Opened {
				opened = text(micros(cpu * 1e6 / float64(f.Opened)))
			}
		}
		t.add(fmt.Sprintf("%d %s", i+1, f.Name), connections, memory, one, used, cores, delivery, opened)
	}
	return t
}
