package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/directory"
)

// ErrTwin means that another live node has the same id. They would share a consumer group and a place in the list of
// nodes.
var ErrTwin = errors.New("another node with this id is alive")

const (
	beatEvery = time.Second
	// silence is how long the node that had the id before must have sent no beat, unless it said that it left.
	silence = 3500 * time.Millisecond
)

// presence sends this node's beats and detects another node with its id. The topic's order decides, not a clock: of two
// nodes the one whose first beat came later has to end.
type presence struct {
	opts     *Options
	client   *ck.Producer
	admin    *ck.AdminClient
	logs     chan ck.LogEvent
	instance string
	began    time.Time

	failed func(ck.Error)               // called with errors of the client
	status func() (bool, time.Duration) // whether this node is ready, and how late it reads
	nodes  *directory.View              // receives all beats
	lives  map[string]int64             // when each other instance with this node's id beat last, by its own count
	sent   int64                        // of the last beat, in ms; run's alone
	drains bool                         // what the last beat said
	warned bool                         // logged that untrusted beats with this id exist

	first   atomic.Int64           // -1 until the first beat is in the topic
	clear   atomic.Bool            // no other node has the id, and this node's beats can be read
	trouble atomic.Pointer[string] // why clear is not set, as long as it is not
	denied  atomic.Pointer[string] // why a beat could not be written, if a right is missing
}

func newPresence(o *Options, client *ck.Producer, admin *ck.AdminClient, logs chan ck.LogEvent, instance string, failed func(ck.Error), status func() (bool, time.Duration)) *presence {
	p := &presence{opts: o, client: client, admin: admin, logs: logs, instance: instance, began: time.Now(), failed: failed, status: status, nodes: o.Directory, lives: map[string]int64{}}
	p.first.Store(-1)
	keep(&p.trouble, errors.New("the id of this node has not been checked yet"))
	return p
}

// run returns nil when ctx ends, or ErrTwin.
func (p *presence) run(ctx context.Context) error {
	for {
		err := p.live(ctx)
		switch {
		case ctx.Err() != nil:
			p.beat(directory.Left)
			p.client.Flush(1000)
			return nil
		case errors.Is(err, ErrTwin):
			return err
		}
		if keep(&p.trouble, err) {
			p.opts.Log.Warn("the list of nodes cannot be read", "topic", p.opts.NodesTopic, "error", err)
		}
		pause(ctx, time.Second)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// live reads the topic from shortly before its end on, and beats once no other node seems to have this id. That is
// certain when its own first beat has come back: then all earlier ones were read.
func (p *presence) live(ctx context.Context) error {
	start, end, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	c, err := nodesConsumer(p.opts, p.logs, start)
	if err != nil {
		return err
	}
	defer closeConsumer(c)
	var (
		next   = start
		other  bool      // the last beat with this id was of another instance that has not left
		since  time.Time // when the end was reached, or another one beat
		beaten time.Time
	)
	for ctx.Err() == nil {
		switch e := c.Poll(100).(type) {
		case *ck.Message:
			next = int64(e.TopicPartition.Offset) + 1
			other, err = p.read(e, !since.IsZero(), other)
			if err != nil {
				return err
			}
		case ck.Error:
			if err := unreadable(e, p.opts.NodesTopic); err != nil {
				return err
			}
		}
		if !p.clear.Load() {
			if why := p.denied.Swap(nil); why != nil { // the next beat shows whether it is still denied
				return errors.New(*why)
			}
		}
		now := time.Now()
		if since.IsZero() && next >= end {
			since = now
		}
		if since.IsZero() || other && !p.clear.Load() && now.Sub(since) < silence {
			continue
		}
		if now.Sub(beaten) >= beatEvery || p.drains != p.draining() { // a draining node must not get clients for another second
			beaten = now
			p.beat(directory.Up)
		}
	}
	return nil
}

// read handles a beat of some node. live: it was sent while this node watches. other, as given and as returned: the last beat
// with this node's id was of another instance that has not left.
func (p *presence) read(m *ck.Message, live, other bool) (bool, error) {
	b, trusted, why := p.nodes.Hear(string(m.Key), m.Value, live, time.Now())
	if why == directory.TooLarge || why == directory.Malformed || string(m.Key) != p.opts.Node {
		return other, nil
	}
	if !trusted && len(p.opts.ClusterKey) > 0 { // else anybody who can write to the topic could end this node
		if !p.warned {
			p.warned = true
			p.opts.Log.Warn("there are beats with this node's id that are not sealed with cluster.key: they are ignored", "node", p.opts.Node, "reason", why.String())
		}
		return other, nil
	}
	if b.Instance == p.instance {
		p.first.CompareAndSwap(-1, int64(m.TopicPartition.Offset)) // its delivery report may come later than a twin's beat
		p.clear.Store(true)
		p.nodes.Proven(p.began.Add(time.Duration(b.Sent) * time.Millisecond))
		return other, nil
	}
	if why == directory.Untimely || !p.news(&b) {
		return other, nil
	}
	return b.State == directory.Up, p.compare(&b, int64(m.TopicPartition.Offset), live)
}

// news reports whether a beat of another instance with this node's id is later than all earlier ones of that instance: a copy
// of an old beat does not prove that the instance lives.
func (p *presence) news(b *directory.Beat) bool {
	if last, known := p.lives[b.Instance]; known && b.Sent <= last {
		return false
	}
	if len(p.lives) >= maxLives {
		clear(p.lives)
	}
	p.lives[b.Instance] = b.Sent
	return true
}

// maxLives bounds the instances that are known to have had this node's id.
const maxLives = 1000

func (p *presence) draining() bool { return p.opts.Draining != nil && p.opts.Draining() }

// compare decides between this node and another with its id, whose beat is at offset. live: it was sent while this node
// watches.
func (p *presence) compare(b *directory.Beat, offset int64, live bool) error {
	if b.State != directory.Up || !live {
		return nil
	}
	first := b.First
	if first < 0 {
		first = offset
	}
	if mine := p.first.Load(); mine >= 0 && mine < first {
		p.opts.Log.Error("another node has this node's id and has to end", "node", p.opts.Node)
		return nil
	}
	return fmt.Errorf("%w: %s", ErrTwin, p.opts.Node)
}

// beat sends one. The delivery report of the first one brings its offset, or the beat itself when it is read.
func (p *presence) beat(state string) {
	if state == directory.Left && p.first.Load() < 0 {
		return
	}
	p.sent = max(p.sent+1, time.Since(p.began).Milliseconds()) // strictly ascending, so that two beats are in order
	ready, late := p.status()                                  // asked after that: what a beat says is not older than its time
	p.drains = p.draining()
	b := directory.Beat{Instance: p.instance, State: state, First: p.first.Load(), Sent: p.sent, Ready: ready, Late: late.Milliseconds(), At: time.Now().UnixMilli()}
	if p.opts.Status != nil {
		b.Status = p.opts.Status()
	}
	b.Draining = p.drains
	value := directory.Encode(b, p.opts.Node, p.opts.ClusterKey)
	_ = p.client.Produce(&ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &p.opts.NodesTopic, Partition: 0},
		Key:            []byte(p.opts.Node), Value: value,
	}, nil) // a beat that cannot be sent is followed by another
}

// reports handles the delivery reports of the beats until the client is closed.
func (p *presence) reports() {
	for e := range p.client.Events() {
		switch e := e.(type) {
		case *ck.Message:
			p.reported(e)
		case ck.Error:
			p.failed(e)
		}
	}
}

func (p *presence) reported(m *ck.Message) {
	err := m.TopicPartition.Error
	if err == nil {
		p.first.CompareAndSwap(-1, int64(m.TopicPartition.Offset))
		p.denied.Store(nil)
		return
	}
	if explained := needs(err, "Write", p.opts.NodesTopic); explained != err {
		text := explained.Error()
		if p.denied.Swap(&text) == nil && p.clear.Load() {
			p.opts.Log.Warn("this node can no longer write its heartbeat", "error", text)
		}
	}
}

// bounds is nodesBounds, and creates a missing topic.
func (p *presence) bounds(ctx context.Context) (start, end int64, err error) {
	start, end, err = nodesBounds(ctx, p.admin, p.opts.NodesTopic, "Read and Write")
	if err != nil && p.opts.Create {
		err = errors.Join(err, createTopic(ctx, p.admin, p.opts, p.opts.NodesTopic, 1, map[string]string{
			"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1",
		}))
	}
	return start, end, err
}
