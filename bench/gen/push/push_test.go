package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/bench/gen/measure"
	"stentor/kafka"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func toTopic(stream, seq uint32) Message {
	return Message{Project: "p", Destination: "/topic/p/all", Stream: stream, Payload: measure.Payload{Seq: seq, Due: 5, Stream: uint64(stream)}, Size: 150}
}

func toUser(stream, seq uint32) Message {
	m := toTopic(stream, seq)
	m.Destination, m.User = "/queue/q", `a"b`
	return m
}

// recorder answers requests with what answer says and keeps them.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []string // method, path, body
	answer func(n int, w http.ResponseWriter)
}

func record(t *testing.T, answer func(n int, w http.ResponseWriter)) *recorder {
	r := &recorder{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.seen = append(r.seen, q.Method+" "+q.URL.String()+" "+q.Header.Get("Authorization")+" "+string(body))
		n := len(r.seen)
		r.mu.Unlock()
		r.answer(n, w)
	}))
	t.Cleanup(r.Close)
	return r
}

func good(int, http.ResponseWriter) {}

func TestAPI(t *testing.T) {
	s := record(t, func(n int, w http.ResponseWriter) {
		if n == 3 {
			fmt.Fprint(w, `[{"status":200},{"status":503,"title":"busy"},{"status":200}]`)
		}
	})
	a := NewAPI(s.URL, "key", 1, nil)
	defer a.Close()
	ctx := bounded(t)
	for _, m := range []Message{toTopic(1, 1), toUser(2, 9)} {
		if n, err := a.Send(ctx, []Message{m}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	n, err := a.Send(ctx, []Message{toTopic(1, 2), toTopic(1, 3), toTopic(1, 4)})
	var refused *Refused
	if n != 1 || !errors.As(err, &refused) {
		t.Errorf("of a batch whose second message is refused %d are taken: %v", n, err)
	}
	for i, want := range []string{`"topic":"/topic/p/all"`, `"user":"a\"b","destination":"/queue/q"`, `[{"topic"`} {
		if !strings.Contains(s.seen[i], want) || !strings.Contains(s.seen[i], "Bearer key") {
			t.Errorf("request %d: %s, want %s", i+1, s.seen[i], want)
		}
	}
	_, body, _ := strings.Cut(s.seen[1], "Bearer key ")
	var sent struct {
		ID      string          `json:"id"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil || sent.ID != "0000000000000002-00000009" {
		t.Errorf("%v, id %s", err, sent.ID)
	}
	if p, ok := measure.ParsePayload(sent.Payload); !ok || p.Seq != 9 {
		t.Errorf("payload %s", sent.Payload)
	}
}

// A server that is busy gets the same message again, in its turn; one that refuses for good does not.
func TestPusherRetries(t *testing.T) {
	s := record(t, func(n int, w http.ResponseWriter) {
		switch {
		case n <= 2:
			w.WriteHeader(503)
		case n == 4:
			w.WriteHeader(429)
		case n == 6:
			http.Error(w, `{"title":"Not Found","detail":"no such project"}`, 404)
		}
	})
	p := New(NewAPI(s.URL, "key", 1, nil), 4, 1)
	defer p.Close()
	for seq := range uint32(4) {
		if err := p.Push(bounded(t), toTopic(3, seq+1)); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); p.Counts().Pending > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not sent within 10 s")
		}
	}
	got := p.Counts()
	if got.Pushed != 3 || got.Retried != 3 || got.Failed["push: 404 Not Found: no such project"] != 1 {
		t.Errorf("%+v", got)
	}
	if n := p.Untaken(3, 1, 5, false); n != 1 {
		t.Errorf("%d of the messages 1 to 4 are not the server's", n)
	}
	if a, b := p.Untaken(3, 1, 3, true), p.Untaken(2, 1, 5, true); a+b != 0 {
		t.Errorf("%d, %d others are not the server's", a, b)
	}
	var order []string
	for _, r := range s.seen {
		_, id, _ := strings.Cut(r, `"id":"0000000000000003-`)
		order = append(order, id[7:8])
	}
	if got := strings.Join(order, ""); got != "1112234" {
		t.Errorf("order of requests %s", got)
	}
}

// Messages of one stream go out in order, one request after the other, however many lanes there are.
func TestPusherOrder(t *testing.T) {
	s := record(t, good)
	p := New(NewAPI(s.URL, "key", 8, nil), 8, 1)
	for seq := range uint32(50) {
		for stream := range uint32(4) {
			if err := p.Push(bounded(t), toTopic(stream, seq+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p.Counts().Pending > 0 {
		time.Sleep(time.Millisecond)
	}
	p.Close()
	next := map[string]int{}
	for _, r := range s.seen {
		_, id, _ := strings.Cut(r, `"id":"`)
		stream, seq := id[:16], id[17:25]
		next[stream]++
		if want := fmt.Sprintf("%08x", next[stream]); seq != want {
			t.Fatalf("stream %s: %s came instead of %s", stream, seq, want)
		}
	}
	if len(s.seen) != 200 {
		t.Errorf("%d requests", len(s.seen))
	}
}

// A server that does not answer holds nobody up for ever.
func TestPusherClose(t *testing.T) {
	release := make(chan struct{})
	s := record(t, func(int, http.ResponseWriter) { <-release })
	p := New(NewAPI(s.URL, "key", 1, nil), 1, 1)
	if err := p.Push(bounded(t), toTopic(1, 1)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	close(release)
	if got := p.Counts(); got.Pushed != 0 || got.Pending != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTemplates(t *testing.T) {
	s := record(t, good)
	a, err := NewTemplated(Templates{
		Method: "PUT", URL: s.URL + "/send?to={{.Destination | urlquery}}", Body: `{"topic":"{{.Destination}}","payload":{{.Payload}},"n":{{.Number}}}`,
		Headers: map[string]string{"Authorization": "Basic {{.Project}}"},
	}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if n, err := a.Send(bounded(t), []Message{toTopic(1, 1), toTopic(1, 2)}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if len(s.seen) != 2 || !strings.HasPrefix(s.seen[1], `PUT /send?to=%2Ftopic%2Fp%2Fall Basic p {"topic":"/topic/p/all","payload":{"seq":"00000002"`) || !strings.HasSuffix(s.seen[1], `,"n":2}`) {
		t.Errorf("%q", s.seen)
	}
	for name, bad := range map[string]Templates{
		"no such field": {URL: "http://x/{{.Topic}}"},
		"not closed":    {URL: "http://x/{{.Destination"},
		"no URL":        {URL: "{{.Destination}}"},
		"body":          {URL: "http://x/", Body: "{{.Nothing}}"},
		"header":        {URL: "http://x/", Headers: map[string]string{"a": "{{"}},
	} {
		if _, err := NewTemplated(bad, 1, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What is put into Kafka must be what a node reads.
func TestKafka(t *testing.T) {
	broker, err := ck.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	if err := broker.CreateTopic("stentor.push.p", 1, 1); err != nil {
		t.Fatal(err)
	}
	k, err := NewKafka(KafkaOptions{Brokers: []string{broker.BootstrapServers()}, Topic: "stentor.push.{project}"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	sent := []Message{toTopic(1, 1), toUser(2, 1), toTopic(1, 2)}
	if n, err := k.Send(bounded(t), sent); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": broker.BootstrapServers(), "group.id": "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	topic := "stentor.push.p"
	if err := c.Assign([]ck.TopicPartition{{Topic: &topic, Offset: ck.OffsetBeginning}}); err != nil {
		t.Fatal(err)
	}
	decoder := kafka.Decoder{Own: func(string, string) bool { return true }}
	for _, want := range sent {
		m, err := c.ReadMessage(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		in := kafka.Record{Key: m.Key, Value: m.Value, Time: m.Timestamp}
		for _, h := range m.Headers {
			in.Headers = append(in.Headers, kafka.Header{Name: h.Key, Value: h.Value})
		}
		r, lost, err := decoder.Decode("p", &in)
		if err != nil || lost != (kafka.Lost{}) || r.Destination != want.Destination || r.User != want.User || r.ID != want.ID() {
			t.Errorf("%+v, %v", r, err)
		}
		if p, ok := measure.ParsePayload(r.Body); !ok || p != want.Payload {
			t.Errorf("payload %s", r.Body)
		}
	}
}

// Why Kafka takes nothing is known long before librdkafka gives a message up, and who closes does not wait for that.
func TestKafkaAway(t *testing.T) {
	k, err := NewKafka(KafkaOptions{Brokers: []string{"127.0.0.1:1"}, Topic: "{project}", Properties: map[string]string{"message.timeout.ms": "600000"}})
	if err != nil {
		t.Fatal(err)
	}
	p := New(k, 1, 1)
	defer p.Close()
	if err := p.Push(bounded(t), toTopic(1, 1)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.Counts().Refused, "refused"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", p.Counts())
		}
	}
	if c := p.Counts(); c.Pending != 1 || !strings.HasPrefix(c.Refused, "push: Kafka: ") {
		t.Errorf("%+v", c)
	}
}
