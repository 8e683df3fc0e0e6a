package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
)

// Stage is one part of the scenario stages: within Duration, connections and pushes change evenly to its values.
type Stage struct {
	Duration        time.Duration
	Connections     *int     // nil: as many as before
	PushesPerSecond *float64 // nil: as many as before
}

const (
	maxStages      = 100
	maxConnections = 10_000_000
	maxRate        = 1e6
	stageAllowed   = "duration=5m, and connections=N or pushes_per_second=X or both"
)

func (s Stage) String() string {
	text := "duration=" + s.Duration.String()
	if s.Connections != nil {
		text += fmt.Sprintf(" connections=%d", *s.Connections)
	}
	if s.PushesPerSecond != nil {
		text += fmt.Sprintf(" pushes_per_second=%v", *s.PushesPerSecond)
	}
	return text
}

func (s Stage) check() error {
	switch {
	case s.Duration < 0 || s.Duration > 30*24*time.Hour:
		return found(s.Duration.String(), "duration as in 30s, 5m or 1h30m, 720h at most")
	case s.Connections != nil && (*s.Connections < 0 || *s.Connections > maxConnections):
		return found(strconv.Itoa(*s.Connections), fmt.Sprintf("connections from 0 to %d", maxConnections))
	case s.PushesPerSecond != nil && !(*s.PushesPerSecond >= 0 && *s.PushesPerSecond <= maxRate):
		return found(fmt.Sprint(*s.PushesPerSecond), fmt.Sprintf("pushes_per_second from 0 to %v", maxRate))
	}
	return nil
}

// parseStage reads "duration=5m connections=100000 pushes_per_second=2000".
func parseStage(text string) (s Stage, err error) {
	seen := map[string]bool{}
	for _, part := range strings.Fields(text) {
		key, value, _ := strings.Cut(part, "=")
		if seen[key] {
			return s, found(text, key+" once")
		}
		seen[key] = true
		switch key {
		case "duration":
			if s.Duration, err = time.ParseDuration(value); err != nil {
				return s, found(part, "duration as in 30s, 5m or 1h30m")
			}
		case "connections":
			n, err := strconv.Atoi(strings.ReplaceAll(value, "_", ""))
			if err != nil {
				return s, found(part, fmt.Sprintf("connections from 0 to %d", maxConnections))
			}
			s.Connections = &n
		case "pushes_per_second":
			x, err := strconv.ParseFloat(strings.ReplaceAll(value, "_", ""), 64)
			if err != nil {
				return s, found(part, fmt.Sprintf("pushes_per_second from 0 to %v", maxRate))
			}
			s.PushesPerSecond = &x
		default:
			return s, found(part, stageAllowed)
		}
	}
	if !seen["duration"] {
		return s, found(text, stageAllowed)
	}
	return s, s.check()
}

// stagesFlag is the flag for stages: each use adds one. It implements pflag.SliceValue.
type stagesFlag struct{ to *[]Stage }

func (f stagesFlag) Type() string          { return "stage" }
func (f stagesFlag) String() string        { return strings.Join(f.GetSlice(), "; ") }
func (f stagesFlag) Set(text string) error { return f.Append(text) }

func (f stagesFlag) Append(text string) error {
	s, err := parseStage(text)
	if err == nil && len(*f.to) == maxStages {
		err = found(text, fmt.Sprintf("%d stages at most", maxStages))
	}
	if err == nil {
		*f.to = append(*f.to, s)
	}
	return err
}

func (f stagesFlag) Replace(texts []string) error {
	*f.to = nil
	for _, text := range texts {
		if err := f.Append(text); err != nil {
			return err
		}
	}
	return nil
}

func (f stagesFlag) GetSlice() (texts []string) {
	for _, s := range *f.to {
		texts = append(texts, s.String())
	}
	return texts
}

// checkStages checks what no single stage can, and sets Connections to the most of any stage.
func (s *Spec) checkStages() error {
	if s.Scenario != "stages" {
		if len(s.Stages) > 0 {
			return fmt.Errorf("stages: found with the scenario %s, allowed: with the scenario stages", s.Scenario)
		}
		return nil
	}
	if len(s.Stages) == 0 || len(s.Stages) > maxStages {
		return fmt.Errorf("stages: found %d, allowed: 1 to %d, as in --stages 'duration=5m connections=1000'", len(s.Stages), maxStages)
	}
	if !s.Receipts {
		return errors.New("stages: connections open while messages are pushed, which needs --receipts and STOMP")
	}
	most := 0
	for i, stage := range s.Stages {
		if err := stage.check(); err != nil {
			return fmt.Errorf("stages: stage %d: %w", i+1, err)
		}
		if stage.Connections != nil {
			most = max(most, *stage.Connections)
		}
	}
	connections, _ := profiles(s.Stages)
	if most == 0 || connections.Length() == 0 {
		return errors.New("stages: found no connections or no duration, allowed: a stage with connections above 0, and one with a duration above 0")
	}
	s.Connections = most
	return nil
}

// profiles are the stages' numbers of connections and of pushes a second.
func profiles(stages []Stage) (connections, pushes pace.Profile) {
	n, rate := 0.0, 0.0
	for _, s := range stages {
		if s.Connections != nil {
			n = float64(*s.Connections)
		}
		if s.PushesPerSecond != nil {
			rate = *s.PushesPerSecond
		}
		connections = append(connections, pace.Leg{Over: s.Duration, To: n})
		pushes = append(pushes, pace.Leg{Over: s.Duration, To: rate})
	}
	return connections, pushes
}

// stageName is the name of stage i as a phase.
func stageName(i int) string { return fmt.Sprintf("stage %d", i+1) }

// stages runs all stages; each is a phase of the result.
func (r *run) stages(ctx context.Context) error {
	connections, pushes := profiles(r.Stages)
	err := r.phase(ctx, stageName(0), func(ctx context.Context) error {
		return together(ctx,
			func(ctx context.Context) error { return r.keepTo(ctx, connections) },
			func(ctx context.Context) error {
				limit := pushes.Count()
				if !r.streams.topic {
					limit = 0
				}
				return r.newFeeder(pushes, limit, r.toAll()).drive(ctx)
			})
	})
	if err != nil {
		return err
	}
	return r.phases(ctx, step{"back", func(ctx context.Context) error {
		if err := r.shrink(ctx, r.shareOf(connections.Value(connections.Length()))); err != nil {
			return err
		}
		return r.back(ctx)
	}}, step{"settle", r.settle})
}

// shareOf is this generator's share of the connections that are wanted.
func (r *run) shareOf(all float64) int {
	return int(math.Round(all * float64(r.Connections) / float64(r.all)))
}

// shrink drops connections above n once they are open: some were still opening when the last stage ended. It gives up after
// the time that a connection may take to open.
func (r *run) shrink(ctx context.Context, n int) error {
	for until := time.Now().Add(r.OpenTimeout + time.Second); int(r.want.Load()) > n && time.Now().Before(until); {
		if err := pace.Wait(ctx, resizeEvery); err != nil {
			return err
		}
		r.resize(n, time.Now())
	}
	return nil
}

// resizeEvery is how often connections are opened and dropped.
const resizeEvery = 10 * turn

// keepTo opens and drops connections so that this generator has its share of those wanted.
func (r *run) keepTo(ctx context.Context, all pace.Profile) error {
	start, seen, stage := r.part.begins(), time.Duration(0), 0
	ends := r.Stages[0].Duration
	for {
		elapsed := time.Since(start)
		for stage+1 < len(r.Stages) && elapsed >= ends {
			// However late this comes, no stage's connections are left out.
			r.resize(r.shareOf(all[stage].To), start.Add(seen))
			stage++
			ends += r.Stages[stage].Duration
			r.stock.phase(stageName(stage))
		}
		r.resize(r.shareOf(all.Value(elapsed)), start.Add(seen))
		if elapsed >= all.Length() {
			return nil
		}
		seen = elapsed
		if err := pace.Wait(ctx, min(resizeEvery, time.Until(start.Add(all.Length())))); err != nil {
			return err
		}
	}
}

// resize opens or drops connections until n are wanted. Those that are still opening cannot be dropped yet; a later call
// drops them.
func (r *run) resize(n int, due time.Time) {
	r.balance.Lock()
	defer r.balance.Unlock()
	want := max(0, int(r.want.Load()))
	switch {
	case n > want:
		r.clients.Begin(client.Reading, n-want, due)
		want = n
	case n < want:
		if gone := min(want-n, r.clients.Counts().Reading); gone > 0 {
			_ = r.clients.Drop(client.Reading, gone) // one that the server ended meanwhile is brought back
			want -= gone
		}
	}
	r.want.Store(int64(want))
}
