//go:build kafka

package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	client "stentor/clients/go"
	"stentor/kafka/kafkatest"
	"stentor/stomp"
)

// sender is a client that sends.
type sender struct {
	conn    net.Conn
	session string
}

func dialSender(t *testing.T, c *cluster, user string) *sender {
	t.Helper()
	url := c.nodes[0].Clients()
	conn, _, _, err := ws.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	s := &sender{conn: conn}
	s.write(t, stomp.Frame{Command: stomp.Connect, Headers: []stomp.Header{
		header("accept-version", "1.2"), header("projectId", project), header("token", c.token(user)),
	}})
	f, err := s.read()
	if err != nil || f.Command != stomp.Connected {
		t.Fatal(f.Command, err)
	}
	session, _ := f.Get("session")
	s.session = string(session)
	return s
}

func header(name, value string) stomp.Header {
	return stomp.Header{Name: []byte(name), Value: []byte(value)}
}

func (s *sender) write(t *testing.T, f stomp.Frame) {
	t.Helper()
	if err := wsutil.WriteClientText(s.conn, stomp.AppendFrame(nil, stomp.V12, &f)); err != nil {
		t.Fatal(err)
	}
}

// send sends body to a destination, with more headers.
func (s *sender) send(t *testing.T, destination string, more []stomp.Header, body, receipt string) {
	t.Helper()
	headers := append([]stomp.Header{header("destination", destination), header("receipt", receipt)}, more...)
	s.write(t, stomp.Frame{Command: stomp.Send, Headers: headers, Body: []byte(body)})
}

// read is the next frame, or how the connection ended.
func (s *sender) read() (stomp.Frame, error) {
	var f stomp.Frame
	h, err := ws.ReadHeader(s.conn)
	if err != nil || h.Length > 1<<20 {
		return f, fmt.Errorf("a WebSocket frame of %d bytes: %w", h.Length, err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(s.conn, payload); err != nil {
		return f, err
	}
	if h.OpCode == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(payload)
		return f, &client.CloseError{Code: uint16(code), Reason: reason}
	}
	var d stomp.Decoder
	var progress stomp.Progress
	_, err = d.Decode(payload, stomp.V12, &stomp.Limits{BodyBytes: 1 << 20}, &progress, &f)
	return f, err
}

// next is the next frame in words.
func (s *sender) next() string {
	f, err := s.read()
	if err != nil {
		return err.Error()
	}
	id, _ := f.Get("receipt-id")
	return f.Command.String() + " " + string(id)
}

// What a client sends to the back ends lies in their topic when its RECEIPT comes, with all that they need to know.
func TestForwarded(t *testing.T) {
	const sends = 50
	bootstrap := kafkatest.Bootstrap(t)
	c := newCluster(t, bootstrap, 1)
	r, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": bootstrap, "group.id": c.run, "enable.auto.commit": false})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	topic := c.inTopic()
	ann := dialSender(t, c, "ann")
	for i := range sends {
		id := fmt.Sprint("r", i)
		ann.send(t, "/app/orders/new", []stomp.Header{
			header("content-type", "text/x-order"), header("color", "a:b\\c"), header("traceparent", "00-ab-cd-01"),
		}, fmt.Sprint("order ", i), id)
		if got := ann.next(); got != "RECEIPT "+id {
			t.Fatalf("SEND %d was answered with %s", i, got)
		}
		_, high, err := r.QueryWatermarkOffsets(topic, 0, 10_000)
		if err != nil || high != int64(i+1) {
			t.Fatalf("the topic has %d records at the RECEIPT of SEND %d: %v", high, i, err)
		}
	}
	if err := r.Assign([]kafka.TopicPartition{{Topic: &topic, Offset: 0}}); err != nil {
		t.Fatal(err)
	}
	for i := range sends {
		m, err := r.ReadMessage(patience)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint("order ", i); string(m.Value) != want || string(m.Key) != ann.session {
			t.Errorf("record %d is %q with key %q, want %q from session %s", i, m.Value, m.Key, want, ann.session)
		}
		var got []string
		for _, h := range m.Headers {
			got = append(got, h.Key+"="+string(h.Value))
		}
		want := []string{
			"destination=/app/orders/new", "user=ann", "session=" + ann.session, "content-type=text/x-order",
			`color=a:b\c`, "stentor-header-traceparent=00-ab-cd-01",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("headers\n%q, want\n%q", got, want)
		}
	}
}

// More SENDs in one piece than may wait for Kafka, and a transaction of still more, are all carried out: each RECEIPT comes,
// and that of the COMMIT when all of its messages lie in Kafka.
func TestForwardedBurst(t *testing.T) {
	const sends, parts = 150, 200
	bootstrap := kafkatest.Bootstrap(t)
	c := newCluster(t, bootstrap, 1)
	r, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": bootstrap, "group.id": c.run, "enable.auto.commit": false})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ann := dialSender(t, c, "ann")
	var all []byte
	frame := func(command stomp.Command, headers ...stomp.Header) {
		f := stomp.Frame{Command: command, Headers: headers}
		all = stomp.AppendFrame(all, stomp.V12, &f)
	}
	for i := range sends {
		frame(stomp.Send, header("destination", "/app/orders/new"), header("receipt", fmt.Sprint("r", i)))
	}
	frame(stomp.Begin, header("transaction", "t"))
	for range parts {
		frame(stomp.Send, header("destination", "/app/orders/new"), header("transaction", "t"))
	}
	frame(stomp.Commit, header("transaction", "t"), header("receipt", "all"))
	if err := wsutil.WriteClientText(ann.conn, all); err != nil {
		t.Fatal(err)
	}
	for i := range sends {
		if got, want := ann.next(), fmt.Sprint("RECEIPT r", i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if got := ann.next(); got != "RECEIPT all" {
		t.Fatalf("COMMIT was answered with %s", got)
	}
	if _, high, err := r.QueryWatermarkOffsets(c.inTopic(), 0, 10_000); err != nil || high != sends+parts {
		t.Errorf("the topic has %d records, want %d: %v", high, sends+parts, err)
	}
}
