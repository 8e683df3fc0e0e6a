package client

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stentor/bench/gen/measure"
	"stentor/stomp"
)

func of(stream uint64, seq uint32) []byte {
	return measure.Payload{Seq: seq, Due: time.Now().UnixNano(), Stream: stream}.Append(nil, 200)
}

// Each connection has its own destination, and nothing of another run or stream may come on it.
func TestStreams(t *testing.T) {
	const connections, run = 30, 7
	s := serve(t)
	o := options(s)
	name := func(number int) string { return fmt.Sprintf("/topic/bench/%d", number%3) }
	var newest [3]atomic.Uint32
	o.SubscriptionsOf = func(number int) []string { return []string{name(number)} }
	o.Run, o.Stream = run, func(number, _ int) uint32 { return uint32(number % 3) }
	o.Newest = func(number, _ int) uint32 { return newest[number%3].Load() }
	c := connect(t, o)
	ctx := bounded(t)
	if err := c.Open(ctx, Reading, connections); err != nil {
		t.Fatal(err)
	}
	sent := int64(0)
	for seq := uint32(1); seq <= 20; seq++ {
		for i := range 3 {
			newest[i].Store(seq)
			s.Push(name(i), of(run<<32|uint64(i), seq))
			sent += connections / 3
		}
	}
	if err := c.WaitDelivered(ctx, sent); err != nil {
		t.Fatal(err)
	}
	if n := c.Missing(o.Newest); n != 0 || c.Counts().Order != (measure.Order{}) {
		t.Errorf("%d missing, %+v", n, c.Counts())
	}
	newest[1].Store(22)
	if n := c.Missing(o.Newest); n != 2*connections/3 {
		t.Errorf("%d missing", n)
	}
	s.Push(name(0), of(run<<32|2, 21)) // of another stream
	s.Push(name(0), of(8<<32, 21))     // of another run
	eventually(t, "misrouted", func() bool { return c.Counts().Order == measure.Order{Misrouted: 2 * connections / 3} })
}

// Begin does not wait, and the latency of opening counts from when a connection was due.
func TestBegin(t *testing.T) {
	s := serve(t)
	c := connect(t, options(s))
	c.Begin(Reading, 20, time.Now().Add(-time.Minute))
	eventually(t, "open", func() bool { return c.Counts().Reading == 20 })
	latency, connecting := measure.NewLatency(), measure.NewLatency()
	c.Take(latency, connecting)
	if got := connecting.Summary(); got.Count != 20 || got.P50 < time.Minute || got.P50 > 2*time.Minute {
		t.Errorf("%+v", got)
	}
	c.Take(latency, connecting)
	if got := connecting.Summary(); got.Count != 20 {
		t.Errorf("taken twice: %+v", got)
	}
}

// However connections come and go, their numbers stay below the most that there were.
func TestNumbers(t *testing.T) {
	const connections = 31
	s := serve(t)
	o := options(s)
	o.Threads = 3
	var most atomic.Int64
	o.Headers = func(number int) ([]stomp.Header, error) {
		for m := most.Load(); int64(number) > m && !most.CompareAndSwap(m, int64(number)); m = most.Load() {
		}
		return nil, nil
	}
	c := connect(t, o)
	ctx := bounded(t)
	for range connections {
		if err := c.Open(ctx, Reading, 1); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		if err := c.Drop(Reading, 1+i%7); err != nil {
			t.Fatal(err)
		}
		if err := c.Open(ctx, Reading, 1+i%7); err != nil {
			t.Fatal(err)
		}
	}
	if most.Load() != connections-1 {
		t.Errorf("the highest number is %d", most.Load())
	}
}

func TestServersTakeTurns(t *testing.T) {
	a, b := serve(t), serve(t)
	o := options(a)
	o.Addresses = []netip.AddrPort{a.Address(), b.Address()}
	o.Sources = Loopback(3 * connectionsPerSource)
	c := connect(t, o)
	if err := c.Open(bounded(t), Reading, 30); err != nil {
		t.Fatal(err)
	}
	if a.Sessions() != 15 || b.Sessions() != 15 {
		t.Errorf("%d and %d sessions", a.Sessions(), b.Sessions())
	}
	all, err := c.Addresses(Reading)
	from := map[netip.Addr]int{}
	for _, x := range all {
		from[x.Addr()]++
	}
	if err != nil || len(from) != 3 {
		t.Errorf("from %v, %v", from, err)
	}
}

// Headers that take long are made elsewhere.
func TestSigners(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.Signers = 2
	o.Headers = func(number int) ([]stomp.Header, error) {
		if number == 7 {
			return nil, errors.New("no key")
		}
		return []stomp.Header{{Name: []byte("token"), Value: fmt.Append(nil, number)}}, nil
	}
	c := connect(t, o)
	err := c.Open(bounded(t), Reading, 20)
	if err == nil || !strings.Contains(err.Error(), "1 of 20 connections failed") || !strings.Contains(err.Error(), "no key") {
		t.Errorf("%v", err)
	}
	if len(s.Tokens()) != 19 {
		t.Errorf("tokens %v", s.Tokens())
	}
}

func TestCausesAreBounded(t *testing.T) {
	causes := map[string]int{}
	for i := range 1000 {
		count(causes, fmt.Sprint("ERROR ", i))
	}
	count(causes, "ERROR 0")
	if len(causes) != maxCauses+1 || causes["other causes"] != 1000-maxCauses || causes["ERROR 0"] != 2 {
		t.Errorf("%d causes, %d others", len(causes), causes["other causes"])
	}
}

// A slow connection reads, but little at a time, and what the server left out for it is no loss.
func TestSlow(t *testing.T) {
	s := serve(t)
	o := options(s)
	o.SlowBytes = 400 // about one message a second
	c := connect(t, o)
	ctx := bounded(t)
	if err := c.Open(ctx, Slow, 10); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint32{1, 2, 4} {
		s.Push(topic, payload(seq))
	}
	eventually(t, "first message", func() bool { return c.Delivered() >= 10 })
	if n := c.Delivered(); n == 30 {
		t.Error("all came at once")
	}
	if err := c.WaitDelivered(ctx, 30); err != nil {
		t.Fatal(err)
	}
	got := c.Counts()
	if got.Order != (measure.Order{}) || got.SlowOrder != (measure.Order{Lost: 10}) || got.Slow != 10 {
		t.Errorf("%+v", got)
	}
	s.Hang(nil)
	eventually(t, "gone", func() bool { return c.Counts().Slow == 0 })
	if got := c.Counts(); got.Failed() != 0 || len(got.Ended) != 1 {
		t.Errorf("%+v", got)
	}
}
