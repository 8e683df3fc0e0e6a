//go:build attacks

package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	client "stentor/clients/go"
)

// How much the victim does: steady work that a node hardly feels.
const (
	victimClients = 25  // at most 64
	victimRate    = 100 // pushes a second
	visitEvery    = 200 * time.Millisecond
	victimTimeout = 5 * time.Second // of a request
	victimFlight  = 512             // most pushes under way
	warmUp        = 30              // pushes before the clock runs, each on a connection of its own
)

type victimArgument struct {
	Client, API string
	Settled     bool // its back end opens no connections once the attack has begun
}

// victimResult is what another tenant saw.
type victimResult struct {
	P50, P99, Max  float64 // milliseconds from the time that a push was due to its receipt by a client
	Pushed         int
	Refused        int     // pushes not accepted
	Lost, Repeated int     // deliveries of accepted pushes
	Cut            int     // clients whose connection ended
	Visits         int     // new clients that connected and subscribed
	ShutOut        int     // that could not
	SlowestVisit   float64 // milliseconds
	Probes         int     // GET /healthz
	Unanswered     int
	Troubles       []string // the first ones
}

// A victim is a tenant whose back end pushes steadily to its clients.
type victim struct {
	victimArgument
	http   *http.Client
	health *http.Client // a new connection for each request
	began  time.Time

	flight chan struct{}
	under  sync.WaitGroup

	mu       sync.Mutex
	result   victimResult
	accepted map[int]time.Duration // due times, by number
	came     map[int]uint64        // which clients have it, a bit each, by number
	latency  []time.Duration
	counting bool
}

func playVictim(s *stage, argument []byte) (any, error) {
	pool := &http.Transport{MaxIdleConnsPerHost: victimFlight}
	v := &victim{
		http:   &http.Client{Timeout: victimTimeout, Transport: pool},
		health: &http.Client{Timeout: victimTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
		began:  time.Now(), flight: make(chan struct{}, victimFlight),
		accepted: map[int]time.Duration{}, came: map[int]uint64{},
	}
	if err := json.Unmarshal(argument, &v.victimArgument); err != nil {
		return nil, err
	}
	if v.Settled {
		pool.MaxConnsPerHost = warmUp
	}
	for n := range victimClients {
		c, err := v.join()
		if err != nil {
			return nil, err
		}
		go v.listen(n, c)
	}
	if !v.warm() {
		return nil, fmt.Errorf("the victim does not work even before the attack: %v", v.result.Troubles)
	}
	ctx, err := s.begin()
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.counting = true
	v.mu.Unlock()
	var visits sync.WaitGroup
	visits.Go(func() { v.visit(ctx) })
	visits.Go(func() { v.probe(ctx) })
	v.work(ctx)
	visits.Wait()
	v.wait(2 * victimTimeout)
	return v.conclude(), nil
}

// warm pushes until all have come. No push is sent before each has a connection: the back end then has as many as it will
// need.
func (v *victim) warm() bool {
	var connected sync.WaitGroup
	connected.Add(warmUp)
	all := make(chan struct{})
	go func() {
		connected.Wait()
		close(all)
	}()
	for n := range warmUp {
		came := sync.OnceFunc(connected.Done) // a request may get a second connection
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			came()
			select {
			case <-all:
			case <-time.After(victimTimeout):
			}
		}})
		v.under.Go(func() { v.push(ctx, n, time.Since(v.began)) })
	}
	return v.wait(victimTimeout) && v.result.Refused == 0
}

// join is a client of the victim that has its subscription.
func (v *victim) join() (*client.Conn, error) {
	c, err := client.Dial(context.Background(), client.Options{URL: "ws://" + v.Client + "/ws", Project: "victim"})
	if err != nil {
		return nil, err
	}
	if err := c.Subscribe("a", "/topic/victim/all", ""); err != nil {
		c.Close()
		return nil, err
	}
	for {
		_, receipt, err := c.Next()
		if err != nil {
			c.Close()
			return nil, err
		}
		if receipt != nil {
			return c, nil
		}
	}
}

// listen takes a client's messages until its connection ends, which it must not.
func (v *victim) listen(n int, c *client.Conn) {
	for {
		m, _, err := c.Next()
		if err != nil {
			v.trouble(&v.result.Cut, "a client was cut: %v", err)
			return
		}
		if m == nil {
			continue
		}
		now := time.Since(v.began)
		var number int
		var due time.Duration
		if _, err := fmt.Sscanf(string(m.Body), "%d %d", &number, &due); err != nil {
			v.trouble(&v.result.Repeated, "a message that nobody pushed: %q", m.Body)
			continue
		}
		v.mu.Lock()
		if v.came[number]&(1<<n) != 0 {
			v.result.Repeated++
		}
		v.came[number] |= 1 << n
		if v.counting {
			v.latency = append(v.latency, now-due)
		}
		v.mu.Unlock()
	}
}

// trouble counts what must not happen.
func (v *victim) trouble(counter *int, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*counter++
	if len(v.result.Troubles) < 5 {
		v.result.Troubles = append(v.result.Troubles, fmt.Sprintf(format, args...))
	}
}

// work pushes at its rate, whatever the node does: a late push still has its time.
func (v *victim) work(ctx context.Context) {
	start := time.Since(v.began)
	for n := 0; ; n++ {
		due := start + time.Duration(n)*time.Second/victimRate
		select {
		case <-ctx.Done():
			return
		case <-time.After(due - time.Since(v.began)):
		}
		select {
		case v.flight <- struct{}{}:
		default:
			v.trouble(&v.result.Refused, "%d pushes are under way: none is answered", victimFlight)
			continue
		}
		v.under.Go(func() {
			v.push(context.Background(), warmUp+n, due)
			<-v.flight
		})
	}
}

func (v *victim) push(ctx context.Context, number int, due time.Duration) {
	text := fmt.Appendf(nil, `{"topic":"all","payload":"%d %d"}`, number, due)
	req, err := http.NewRequestWithContext(ctx, "POST", v.API+"/v1/projects/victim/push", bytes.NewReader(text))
	if err != nil {
		panic(err) // only for a bad URL
	}
	req.Header.Set("Authorization", "Bearer victim-key")
	req.Header.Set("Content-Type", "application/json")
	if err := ask(v.http, req); err != nil {
		v.trouble(&v.result.Refused, "push refused after %v: %v", time.Since(v.began)-due, err)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.accepted[number] = due
	v.result.Pushed++
}

// ask sends a request that has to be answered with 200.
func ask(c *http.Client, req *http.Request) error {
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", res.Status, text)
	}
	return err
}

// visit has new clients come and go.
func (v *victim) visit(ctx context.Context) {
	each(ctx, visitEvery, func() {
		start := time.Now()
		c, err := v.join()
		if err != nil {
			v.trouble(&v.result.ShutOut, "a new client was shut out after %v: %v", time.Since(start), err)
			return
		}
		c.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		v.result.Visits++
		v.result.SlowestVisit = max(v.result.SlowestVisit, milliseconds(time.Since(start)))
	})
}

// probe looks at the node's health on a new connection each time, as an orchestrator does.
func (v *victim) probe(ctx context.Context) {
	each(ctx, visitEvery, func() {
		req, err := http.NewRequest("GET", v.API+"/healthz", nil)
		if err != nil {
			panic(err) // only for a bad URL
		}
		if err := ask(v.health, req); err != nil {
			v.trouble(&v.result.Unanswered, "no answer from /healthz: %v", err)
			return
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.result.Probes++
	})
}

// each calls f at an interval until ctx ends.
func each(ctx context.Context, interval time.Duration, f func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// wait waits until every client has every accepted push.
func (v *victim) wait(patience time.Duration) bool {
	v.under.Wait()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		v.mu.Lock()
		missing := 0
		for number := range v.accepted {
			missing += victimClients - bits.OnesCount64(v.came[number])
		}
		v.mu.Unlock()
		if missing == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func (v *victim) conclude() victimResult {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := &v.result
	for number := range v.accepted {
		r.Lost += victimClients - bits.OnesCount64(v.came[number])
	}
	slices.Sort(v.latency)
	at := func(share float64) float64 {
		if len(v.latency) == 0 {
			return 0
		}
		return milliseconds(v.latency[min(len(v.latency)-1, int(share*float64(len(v.latency))))])
	}
	r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
	return *r
}

// wrong is what must not have happened, nil when all is well.
func (r *victimResult) wrong(may allowances) error {
	var bad []error
	count := func(n int, what string) {
		if n > 0 {
			bad = append(bad, fmt.Errorf("%d %s", n, what))
		}
	}
	count(r.Refused, "pushes of the victim refused")
	count(r.Lost, "of its messages lost")
	count(r.Repeated, "of its messages repeated")
	count(r.Cut, "of its clients cut")
	if !may.shutOut {
		count(r.ShutOut, "new clients shut out")
		count(r.Unanswered, "probes not answered")
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %q", errors.Join(bad...), r.Troubles)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
