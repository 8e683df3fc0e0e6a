package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/push"
	"stentor/bench/gen/result"
	"stentor/engine/testkit/proc"
	"stentor/stomp"
)

// Output says where progress goes and what the result contains.
type Output struct {
	Writer   io.Writer
	Terminal bool              // Writer may be drawn over
	Settings map[string]string // as Settings returns them
	// Each, when it is set, is called once for every second of the result's series, with the run's progress. It must not block.
	Each func(phase string, totals result.Totals, last result.Second)
}

// run is one run of a scenario.
type run struct {
	*Spec   // of this part
	part    Part
	all     int // connections of all parts
	first   int // the number of this part's first connection
	streams *streams
	clients *client.Client
	pusher  *push.Pusher
	api     *push.API // for kicks
	stock   *stock

	// want is the wanted number of reading connections: those that the server ends are reopened. Below zero none are.
	want atomic.Int64
	// balance is held while missing connections are counted and opened, while some are dropped and reopened, and while want
	// changes, so that there are never more than wanted.
	balance sync.Mutex
	kicked  atomic.Int64 // sessions that the server was asked to close
	told    int          // seconds of which Output.Each was told

	keyed    bool     // there is a key for the API
	metrics  []string // where the servers' metrics are
	notes    []string // see result.Result
	problems []string
}

// Run runs a scenario. With an error, too, it returns the result so far. The result's verdict says whether all messages were
// right.
func Run(ctx context.Context, s *Spec, out Output) (*result.Result, error) {
	return RunPart(ctx, s, whole(), out)
}

// RunPart is Run for one of several generators.
func RunPart(ctx context.Context, s *Spec, part Part, out Output) (*result.Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	all := s
	s, first, err := part.cut(all)
	if err != nil {
		return nil, err
	}
	t, err := newTarget(ctx, s)
	if err != nil {
		return nil, err
	}
	from, err := s.preflight(t)
	if err != nil {
		return nil, err
	}
	r := &run{Spec: s, part: part, all: all.Connections, first: first}
	r.want.Store(-1)
	id, users, err := newIdentity(s)
	if err != nil {
		return nil, err
	}
	if r.streams, err = newStreams(all, users); err != nil {
		return nil, err
	}
	r.streams.run = part.Run
	id.streams = r.streams
	if _, err := id.connect(first); err != nil { // what a template names is only looked at when it is used
		return nil, err
	}
	if s.Scenario == "users" && r.streams.queue == "" {
		return nil, errors.New("users needs connections with users (--key or --secret-file, or --connect-header), and queue in --subscribe")
	}
	sender, err := r.sender()
	if err != nil {
		return nil, err
	}
	r.pusher = push.New(sender, s.Lanes, s.Batch)
	defer r.pusher.Close()
	options := r.clientOptions(t, from, id)
	if err := r.probe(ctx, options); err != nil {
		return nil, err
	}
	if r.clients, err = client.New(options); err != nil {
		return nil, err
	}
	defer r.clients.Close()
	return r.run(ctx, out)
}

// Check only checks that this host has what a run needs: descriptors, source ports, memory. The error names everything that
// is short, and the command to fix it.
func Check(ctx context.Context, s *Spec) error {
	if err := s.check(); err != nil {
		return err
	}
	t, err := newTarget(ctx, s)
	if err != nil {
		return err
	}
	_, err = s.preflight(t)
	return err
}

func (r *run) clientOptions(t *target, from fromAddresses, id *identity) client.Options {
	x := r.streams
	return client.Options{
		Addresses: t.addresses, Host: t.host, Path: t.path, TLS: t.tls, Sources: from, Bare: r.Protocol == "websocket",
		SubscriptionsOf: func(number int) []string { return x.subscriptions(r.first + number) }, Receipts: r.Receipts, Resume: r.Resume,
		Run: x.run, Stream: func(number, subscription int) uint32 { return x.stream(r.first+number, subscription) }, Newest: r.newest, Untaken: r.untaken,
		Heartbeat: r.Heartbeat, Headers: func(number int) ([]stomp.Header, error) { return id.connect(r.first + number) }, Signers: id.signers(),
		Threads: r.Threads, Opening: r.Opening, Gather: r.Gather, OpenTimeout: r.OpenTimeout, SlowBytes: r.SlowBytes,
	}
}

// newest is the number of the newest message to a subscription of connection number, counted in this part.
func (r *run) newest(number, subscription int) uint32 {
	return r.streams.newestOf(r.first+number, subscription)
}

// untaken is how many messages of a stream the server did not take.
func (r *run) untaken(stream, from, to uint32, waiting bool) uint32 {
	return r.pusher.Untaken(stream, from, to, waiting)
}

func (r *run) sender() (push.Sender, error) {
	key := r.APIKey
	if r.APIKeyFile != "" {
		b, err := os.ReadFile(r.APIKeyFile)
		if err != nil {
			return nil, fmt.Errorf("--api-key-file: %w", err)
		}
		key = strings.TrimSpace(string(b))
	}
	r.keyed = key != ""
	r.api = push.NewAPI(strings.TrimSuffix(r.API, "/"), key, r.Lanes, nil)
	switch r.Push {
	case "kafka":
		return push.NewKafka(push.KafkaOptions{Brokers: r.KafkaBrokers, Topic: r.KafkaTopic, Properties: r.KafkaProperty})
	case "http":
		return push.NewTemplated(push.Templates{Method: r.PushMethod, URL: r.PushURL, Body: r.PushBody, Headers: r.PushHeaders}, r.Lanes, nil)
	}
	return r.api, nil
}

func (r *run) run(ctx context.Context, out Output) (*result.Result, error) {
	if _, err := r.part.Group.Meet(ctx, "begin", 0); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	r.stock = newStock(r)
	var beside sync.WaitGroup
	for _, text := range r.notes {
		r.say(out, text)
	}
	w := newWatcher(r.metrics)
	r.stock.before(ctx, w)
	beside.Go(func() { r.stock.watch(ctx, w) })
	beside.Go(func() { r.stock.every(ctx) })
	beside.Go(func() { r.bringBack(ctx) })
	beside.Go(func() { r.giveUp(ctx, stop) })
	beside.Go(func() { r.tellAll(ctx, out.Each) })
	p := &progress{out: out, scenario: r.Scenario, wanted: r.Connections, look: r.stock.look}
	beside.Go(func() { p.show(ctx) })

	err := r.scenario(ctx)
	if err == nil { // nobody leaves while others wait for what it has pushed
		_, err = r.part.Group.Meet(ctx, "end", 0)
	}
	// With other generators, numbered messages may not have been pushed; when the run is stopped, many are in flight.
	stopped := ctx.Err() != nil
	if err != nil && stopped {
		err = context.Cause(ctx)
	}
	if err == nil || r.part.Count == 1 && !stopped {
		r.finish()
	}
	stop(nil)
	beside.Wait()
	res := r.stock.result() // which ends the last second, and p shows that
	p.last()
	r.tell(out.Each)
	res.Scenario, res.Settings, res.Notes = r.Scenario, r.settings(out.Settings), r.notes
	if p := r.pusher.Counts(); p.Retried > 0 && p.Refused != "" {
		res.Notes = append(res.Notes, fmt.Sprintf("pushes were refused temporarily and sent again, which makes them late; the last such answer: %s", p.Refused))
	}
	res.Judge(r.judge()...)
	if err != nil {
		res.Verdict.Good = false
		why := err.Error()
		if stopped {
			why += " (messages in flight at that moment are not counted)"
		}
		res.Verdict.Problems = append(res.Verdict.Problems, why)
	}
	return res, err
}

// say reports to the observer.
func (r *run) say(out Output, text string) {
	if out.Writer != nil {
		fmt.Fprintln(out.Writer, "note:", text)
	}
}

// settings are the given settings and those that the probes found.
func (r *run) settings(given map[string]string) map[string]string {
	if given == nil || !r.apiGuessed || r.Push == "http" {
		return given
	}
	all := maps.Clone(given)
	all["api"] = r.API
	return all
}

// hopeless is how many pushes may fail, without one success, before the run is given up.
const hopeless = 3

// giveUp ends a run whose pushes the server does not accept. It returns when ctx ends or a push succeeds.
func (r *run) giveUp(ctx context.Context, stop context.CancelCauseFunc) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		p := r.pusher.Counts()
		failed := int64(0)
		for _, n := range p.Failed {
			failed += n
		}
		switch {
		case p.Pushed > 0:
			return
		case failed >= hopeless, failed > 0 && p.Retried > 0: // what is sent again fails after a long time only
			stop(errors.New("the server accepts no push"))
			return
		}
	}
}

// finish counts missing messages as lost.
func (r *run) finish() {
	if missing := r.clients.Missing(r.newest); missing > 0 {
		r.stock.lost(missing)
	}
}

// judge returns problems other than those in the order of messages.
func (r *run) judge() []string {
	c, p := r.clients.Counts(), r.pusher.Counts()
	problems := r.problems
	add := func(n int64, format string, args ...any) {
		if n > 0 {
			problems = append(problems, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	lack := int64(0)
	if want := r.want.Load(); want >= 0 {
		lack = want - int64(c.Reading)
	}
	switch n := int64(c.Failed()) - r.kicked.Load(); {
	case n > 0 && lack > 0:
		add(n, "times a connection did not open or was ended by the server (%d are not open at the end%s): %s", lack, inVain(c.Again), causes(c.Failures))
	case n > 0:
		add(n, "times a connection did not open or was ended by the server: %s", causes(c.Failures))
	default:
		add(lack, "connections are not open at the end")
	}
	add(c.HeartbeatsMissed, "heart-beats of the server missed")
	add(c.Gaps, "subscriptions could not be resumed")
	for cause, n := range p.Failed {
		add(n, "pushes failed: %s", cause)
	}
	if p.Refused != "" {
		add(p.Pending, "pushes were not accepted; the last answer is %s", p.Refused)
	} else {
		add(p.Pending, "pushes were not answered")
	}
	return problems
}

// inVain describes the failed attempts to reopen connections.
func inVain(again map[string]int) string {
	if len(again) == 0 {
		return ""
	}
	return "; retries failed: " + causes(again)
}

// each is Output.Each.
type each func(phase string, totals result.Totals, last result.Second)

// tellAll tells each whenever a second has ended, until ctx ends.
func (r *run) tellAll(ctx context.Context, e each) {
	for {
		select {
		case <-r.stock.ended:
			r.tell(e)
		case <-ctx.Done():
			return
		}
	}
}

// tell tells each of the seconds that are new. One goroutine at a time calls it.
func (r *run) tell(e each) {
	if e == nil {
		return
	}
	_, name, totals, _ := r.stock.look()
	for _, s := range r.stock.after(r.told) {
		e(name, totals, s)
		r.told++
	}
}

// phase runs f as a named phase, once all generators have reached it.
func (r *run) phase(ctx context.Context, name string, f func(context.Context) error) error {
	if _, err := r.part.Group.Meet(ctx, name, 0); err != nil {
		return err
	}
	r.stock.phase(name)
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// bringBack reopens connections that the server ended, no faster than connections are opened.
func (r *run) bringBack(ctx context.Context) {
	const every = 100 * time.Millisecond
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		r.refill(every)
	}
}

// keep sets how many connections are wanted once they all have begun to open.
func (r *run) keep(n int) {
	r.balance.Lock()
	defer r.balance.Unlock()
	r.want.Store(int64(n))
}

// refill opens what is missing, up to what may be opened in d.
func (r *run) refill(d time.Duration) {
	r.balance.Lock()
	defer r.balance.Unlock()
	c := r.clients.Counts()
	lack := int(r.want.Load()) - c.Reading - c.Opening
	if r.OpenRate > 0 {
		lack = min(lack, max(1, int(r.OpenRate*d.Seconds())))
	}
	if lack > 0 {
		r.clients.BeginAgain(client.Reading, min(lack, r.Opening), time.Now())
	}
}

// again drops n connections and opens them again.
func (r *run) again(n int, due time.Time) {
	r.balance.Lock()
	defer r.balance.Unlock()
	n = min(n, r.clients.Counts().Reading)
	if n > 0 && r.clients.Drop(client.Reading, n) == nil {
		r.clients.Begin(client.Reading, n, due)
	}
}

// generator describes this process.
func generator(most int, rss, base int64, cpu time.Duration) result.Generator {
	host, _ := os.Hostname() // empty when it has none
	return result.Generator{Host: host, Machine: proc.ThisMachine(), Connections: most, CPUSeconds: cpu.Seconds(), MostRSS: rss, BaseRSS: base}
}
