package browsers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/machine/server"
	"stentor/engine/sockjs"
	"stentor/stomp"
)

// streamer is a client over xhr_streaming: a goroutine that reads the stream, and another one whenever the server has ended it
// after its 128 KiB. What it sends are requests of their own.
type streamer struct {
	base      string // URL of its session
	http      *http.Client
	delivered *atomic.Int64

	decoder  stomp.Decoder
	scratch  []byte
	sequence measure.Sequence
	order    measure.Order
	streams  int // responses
}

// streamers are many of them.
type streamers struct {
	all       []*streamer
	delivered atomic.Int64
	running   sync.WaitGroup
	stop      context.CancelFunc
	failed    chan error // of the first one that fails; one place
}

// atOnce is how many streamers connect at a time.
const atOnce = 32

// stream opens n streamers, each subscribed to the shared topic.
func stream(ctx context.Context, at netip.AddrPort, n int) (*streamers, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &streamers{stop: stop, failed: make(chan error, 1)}
	ready := make(chan struct{}, n)
	turns := make(chan struct{}, atOnce)
	from := client.Crowd(n) // all streams end together, and begin together
	for i := range n {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from[i%len(from)], 0))}
		one := &streamer{base: fmt.Sprintf("http://%s%s/000/streamer-%d", at, server.Path, i), delivered: &s.delivered,
			http: &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: dialer.DialContext}}} // with connections of its own, as a browser's
		s.all = append(s.all, one)
		s.running.Go(func() {
			turns <- struct{}{}
			var once sync.Once
			open := func() { once.Do(func() { <-turns; ready <- struct{}{} }) }
			defer open()
			if err := one.run(ctx, open); ctx.Err() == nil {
				select {
				case s.failed <- fmt.Errorf("xhr_streaming: %w", err):
				default:
				}
			}
		})
	}
	for range n {
		select {
		case <-ready:
		case err := <-s.failed:
			s.close()
			return nil, err
		case <-ctx.Done():
			s.close()
			return nil, context.Cause(ctx)
		}
	}
	return s, nil
}

// run reads streams until ctx ends, or one fails. It calls open when it is subscribed.
func (s *streamer) run(ctx context.Context, open func()) error {
	for {
		if err := s.read(ctx, open); err != nil {
			return err
		}
	}
}

// read reads one stream to its end.
func (s *streamer) read(ctx context.Context, open func()) error {
	answer, err := s.post(ctx, "/xhr_streaming", nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream is answered with %s", answer.Status)
	}
	s.streams++
	lines := bufio.NewReaderSize(answer.Body, 4<<10)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err != nil:
			return err
		}
		if err := s.line(ctx, bytes.TrimSuffix(line, []byte("\n")), open); err != nil {
			return err
		}
	}
}

// line handles one frame of SockJS.
func (s *streamer) line(ctx context.Context, line []byte, open func()) error {
	switch {
	case len(line) > 0 && line[0] == 'h': // the prelude too
		return nil
	case string(line) == sockjs.Open:
		f := stomp.AppendCommand(nil, stomp.Connect)
		f = stomp.AppendHeader(f, stomp.V10, "accept-version", "1.2")
		f = stomp.AppendHeader(f, stomp.V10, "projectId", server.Project)
		return s.send(ctx, stomp.AppendBody(f, nil))
	case len(line) == 0 || line[0] != 'a':
		return fmt.Errorf("got %.200q", line)
	}
	var d sockjs.Decoder
	var err error
	if s.scratch, err = d.Append(s.scratch[:0], line[1:]); err != nil {
		return err
	}
	for rest := s.scratch; len(rest) > 0; {
		var f stomp.Frame
		var progress stomp.Progress
		n, err := s.decoder.Decode(rest, stomp.V12, &stomp.Limits{BodyBytes: 1 << 20}, &progress, &f)
		if err != nil || n == 0 {
			return fmt.Errorf("no whole frame: %.200q, %v", rest, err)
		}
		rest = rest[n:]
		if err := s.frame(ctx, &f, open); err != nil {
			return err
		}
	}
	return nil
}

func (s *streamer) frame(ctx context.Context, f *stomp.Frame, open func()) error {
	switch f.Command {
	case stomp.None:
	case stomp.Connected:
		f := stomp.AppendCommand(nil, stomp.Subscribe)
		f = stomp.AppendHeader(f, stomp.V12, "id", "0")
		f = stomp.AppendHeader(f, stomp.V12, "destination", server.Topic)
		f = stomp.AppendHeader(f, stomp.V12, "receipt", "0")
		return s.send(ctx, stomp.AppendBody(f, nil))
	case stomp.Receipt:
		open()
	case stomp.MessageCommand:
		p, ok := measure.ParsePayload(f.Body)
		if !ok {
			s.order.Corrupted++
			return nil
		}
		s.sequence.Observe(p.Seq, &s.order)
		s.delivered.Add(1)
	default:
		return fmt.Errorf("got %s", f.Command)
	}
	return nil
}

// send sends one STOMP frame.
func (s *streamer) send(ctx context.Context, frame []byte) error {
	answer, err := s.post(ctx, "/xhr_send", sockjs.AppendMessage(nil, frame)[1:]) // without the a
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("xhr_send is answered with %s %.200s, %w", answer.Status, text, err)
	}
	return nil
}

func (s *streamer) post(ctx context.Context, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return s.http.Do(r)
}

// wait waits until so many messages have come in all.
func (s *streamers) wait(ctx context.Context, total int64) error {
	for s.delivered.Load() < total {
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%d messages of %d came by xhr_streaming: %w", s.delivered.Load(), total, context.Cause(ctx))
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// close ends all of them. order and streams are to be read afterwards.
func (s *streamers) close() {
	s.stop()
	s.running.Wait()
	for _, one := range s.all {
		one.http.CloseIdleConnections()
	}
}

// order is what was wrong, and in how many responses all came.
func (s *streamers) order() (o measure.Order, streams int) {
	for _, one := range s.all {
		o.Add(one.order)
		streams += one.streams
	}
	return o, streams
}
