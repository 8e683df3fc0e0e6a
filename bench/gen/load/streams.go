package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/push"
)

// streams numbers the messages and knows each one's subscribers. Streams are numbered: first each project's destinations,
// then the users' queues by connection number. Any goroutine may use it.
type streams struct {
	run          uint32
	projects     []string
	destinations int      // of each project
	topics       []string // of all of them
	queue        string   // "" when nobody subscribes to it
	topic        bool     // everybody subscribes to one
	user         *pattern
	share        []float64 // share[d]: of all subscribers, the part with destination d or a lower one
	seed         uint64
	newest       []atomic.Uint32 // by stream: the number of the newest message
	size         int
}

func newStreams(s *Spec, users bool) (*streams, error) {
	x := &streams{
		run: rand.Uint32(), projects: s.Projects, destinations: s.Destinations, seed: s.Seed, size: s.Payload,
		topic: slices.Contains(s.SubscribeTo, "topic"),
	}
	if users && slices.Contains(s.SubscribeTo, "queue") {
		x.queue = s.Queue
	}
	if !x.topic && x.queue == "" {
		return nil, fmt.Errorf("connections subscribe to nothing: --subscribe has no topic, and queue only counts when connections have users (--key or --secret-file, or --connect-header)")
	}
	topic, err := compile("topic", s.Topic)
	if err != nil {
		return nil, err
	}
	if x.user, err = compile("user", s.User); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, project := range s.Projects {
		for d := range s.Destinations {
			text, err := expand(topic, Fields{Project: project, Destination: d})
			if err != nil {
				return nil, err
			}
			if key := project + " " + text; seen[key] {
				return nil, fmt.Errorf("--topic %q is the same for several of %d destinations: name {{.Destination}} in it", s.Topic, s.Destinations)
			} else {
				seen[key] = true
			}
			x.topics = append(x.topics, text)
		}
	}
	x.share = make([]float64, s.Destinations)
	sum := 0.0
	for d := range x.share {
		weight := 1.0
		if s.Distribution == "zipf" {
			weight = math.Pow(float64(d+1), -s.ZipfExponent)
		}
		sum += weight
		x.share[d] = sum
	}
	for d := range x.share {
		x.share[d] /= sum
	}
	count := len(x.topics)
	if x.queue != "" {
		count += s.Connections
	}
	x.newest = make([]atomic.Uint32, count)
	return x, nil
}

func (x *streams) project(number int) int { return number % len(x.projects) }

// userOf is the name of a connection's user.
func (x *streams) userOf(number int) (string, error) {
	return expand(x.user, Fields{Number: number, Project: x.projects[x.project(number)]})
}

// choose returns the destination at this point between 0 and 1.
func (x *streams) choose(at float64) int {
	return min(sort.SearchFloat64s(x.share, at), len(x.share)-1)
}

// destination is the stream of a connection's topic.
func (x *streams) destination(number int) int {
	d := 0
	if x.destinations > 1 {
		d = x.choose(rand.New(rand.NewPCG(x.seed, uint64(number))).Float64())
	}
	return x.project(number)*x.destinations + d
}

// stream is what bench/gen/client asks for a subscription.
func (x *streams) stream(number, subscription int) uint32 {
	if subscription == 0 && x.topic {
		return uint32(x.destination(number))
	}
	return uint32(len(x.topics) + number)
}

func (x *streams) subscriptions(number int) (all []string) {
	if x.topic {
		all = append(all, x.topics[x.destination(number)])
	}
	if x.queue != "" {
		all = append(all, x.queue)
	}
	return all
}

// newestOf is the number of the newest message of a subscription.
func (x *streams) newestOf(number, subscription int) uint32 {
	return x.newest[x.stream(number, subscription)].Load()
}

// next is the next message of a stream, due at due. Later subscribers need not receive it.
func (x *streams) next(stream int, due time.Time) (push.Message, error) {
	m := push.Message{
		Stream: uint32(stream), Size: x.size,
		Payload: measure.Payload{Due: due.UnixNano(), Stream: uint64(x.run)<<32 | uint64(stream)},
	}
	if stream < len(x.topics) {
		m.Project, m.Destination = x.projects[stream/x.destinations], x.topics[stream]
	} else {
		number := stream - len(x.topics)
		var err error
		if m.User, err = x.userOf(number); err != nil {
			return m, err
		}
		m.Project, m.Destination = x.projects[x.project(number)], strings.TrimPrefix(x.queue, "/user")
	}
	m.Payload.Seq = x.newest[stream].Add(1)
	return m, nil
}
