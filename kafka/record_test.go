package kafka

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stentor/engine/bus"
)

func ownTest(project, destination string) bool {
	return strings.HasPrefix(destination, "/topic/"+project+"/")
}

func decoder() *Decoder { return &Decoder{Own: ownTest} }

func TestEncodeDecode(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, r := range []bus.Record{
		{Destination: "/topic/shop/a", Body: []byte("hello"), ContentType: "text/plain", ID: "7", TTL: time.Second},
		{Destination: "/topic/shop/a", Body: []byte{}},
		{Destination: "/queue/orders", User: "ann/b", Body: []byte{0, 255}},
		{Destination: "/queue/orders", Session: "0.1.2.3", Body: []byte("x")},
		{Destination: "/topic/shop/a", Body: []byte("x"), Headers: []bus.Header{
			{Name: "user", Value: "a header, not an addressee"}, {Name: "ttl-ms", Value: "never"}, {Name: "traceparent", Value: "00"},
			{Name: "spring_json", Value: "1"}, {Name: "stentor-header-x", Value: "2"}, {Name: "stentor-header-user", Value: "3"}, {Name: "plain", Value: ""},
		}},
	} {
		r.Project, r.Time = "shop", now
		in := Encode(&r)
		got, left, err := decoder().Decode("shop", &in)
		if err != nil || left != (Lost{}) {
			t.Errorf("%+v: %+v %v", r, left, err)
		} else if !reflect.DeepEqual(got, &r) {
			t.Errorf("%+v became %+v", r, got)
		}
	}
}

func TestKey(t *testing.T) {
	for want, r := range map[string]bus.Record{
		"/topic/a":  {Destination: "/topic/a"},
		"user/ann":  {Destination: "/queue/a", User: "ann"},
		"session/s": {Destination: "/queue/a", Session: "s"},
	} {
		if got := Key(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func headers(pairs ...string) (all []Header) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, Header{Name: pairs[i], Value: []byte(pairs[i+1])})
	}
	return all
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name        string
		headers     []Header
		value       string
		destination string // wanted
		body        string
		contentType string
		lost        int
		err         string
	}{
		{name: "bytes as they are", headers: headers("destination", "/topic/shop/a"), value: `{"topic":"x"}`, destination: "/topic/shop/a", body: `{"topic":"x"}`},
		{name: "short destination", headers: headers("destination", "a/b"), value: "1", destination: "/topic/shop/a/b", body: "1"},
		{name: "first header wins", headers: headers("destination", "a", "destination", "b"), destination: "/topic/shop/a"},
		{name: "user", headers: headers("destination", "/user/queue/a", "user", "ann"), destination: "/queue/a"},
		{name: "envelope with text", value: `{"projectId":"shop","topic":"all","payload":"hi","updateTime":1}`, destination: "/topic/shop/all", body: "hi", contentType: textContent},
		{name: "envelope with JSON", value: `{"projectId":"shop","topic":"/topic/shop/x/","playLoad":{"a": 1}}`, destination: "/topic/shop/x/", body: `{"a": 1}`, contentType: jsonContent},
		{name: "envelope without project", value: `{"topic":"all","payload":null}`, destination: "/topic/shop/all", body: "null", contentType: jsonContent},
		{name: "envelope of another", value: `{"projectId":"bank","topic":"all","payload":1}`, err: "another project"},
		{name: "envelope of a number", value: `{"projectId":17,"topic":"all","payload":1}`, err: "another project"},
		{name: "envelope without payload", value: `{"projectId":"shop","topic":"all"}`, err: "not an envelope"},
		{name: "envelope whose topic is no text", value: `{"projectId":"shop","topic":1,"payload":1}`, err: "not an envelope"},
		{name: "no JSON", value: "hello", err: "not an envelope"},
		{name: "nothing", err: "not an envelope"},
		{name: "outside", headers: headers("destination", "/topic/bank/a"), err: "outside"},
		{name: "pattern", headers: headers("destination", "/topic/shop/*"), err: "* or ?"},
		{name: "user without name", headers: headers("destination", "/user/queue/a"), err: "belongs to a user"},
		{name: "user's short destination", headers: headers("destination", "a", "user", "ann"), err: "begins with /"},
		{name: "control character", headers: headers("destination", "/topic/shop/\n"), err: "control"},
		{name: "not UTF-8", headers: headers("destination", "/topic/shop/\xff"), err: "UTF-8"},
		{name: "time to live", headers: headers("destination", "a", "ttl-ms", "soon"), err: "milliseconds"},
		{name: "long id", headers: headers("destination", "a", "push-id", strings.Repeat("x", maxID+1)), err: "push-id"},
		{name: "lost headers", headers: headers("destination", "a", "x", "\xff", "\xff", "x", "a:b", "c", "n", "\x00"), destination: "/topic/shop/a", lost: 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, left, err := decoder().Decode("shop", &Record{Value: []byte(c.value), Headers: c.headers})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Destination != c.destination || string(r.Body) != c.body || r.ContentType != c.contentType || left.Invalid != c.lost {
				t.Errorf("%+v, %+v left out", r, left)
			}
		})
	}
}

func TestPassOn(t *testing.T) {
	got, left := decoder().passOn(headers("color", "red", "color", "blue", "__TypeId__", "x", "spring_json_header_types", "x", "kafka_x", "x",
		"ce_id", "x", "traceparent", "x", "b3", "x", "message-id", "x", "subscription", "x", "content-type", "x", "Größe", "ä", "resumed", "true", " dropped", "1", headerPlain+"position", "1"))
	want := []bus.Header{{Name: "color", Value: "red"}, {Name: "Größe", Value: "ä"}}
	if !reflect.DeepEqual(got, want) || left != (Lost{Reserved: 5}) {
		t.Errorf("%+v, left out %+v", got, left)
	}
	var many []Header
	for i := range maxHeaders + 10 {
		many = append(many, Header{Name: strings.Repeat("x", i+1)})
	}
	if got, left := decoder().passOn(many); len(got) != maxHeaders || left != (Lost{Invalid: 10}) {
		t.Errorf("%d headers, left out %+v", len(got), left)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"projectId":"shop","topic":"all","payload":"hi"}`), "destination", "", "x", "y")
	f.Add([]byte("x"), "destination", "/topic/shop/a", "user", "ann")
	f.Add([]byte("x"), "destination", "/topic/shop/a", "ttl-ms", "12")
	f.Fuzz(func(t *testing.T, value []byte, n1, v1, n2, v2 string) {
		in := Record{Value: value, Headers: headers(n1, v1, n2, v2)}
		r, _, err := decoder().Decode("shop", &in)
		if err != nil {
			return
		}
		if r.User == "" && r.Session == "" && !ownTest("shop", r.Destination) {
			t.Errorf("%q is not the project's", r.Destination)
		}
		for _, h := range r.Headers {
			if !utf8.ValidString(h.Name+h.Value) || strings.ContainsAny(h.Name, ":\r\n") {
				t.Errorf("header %q", h)
			}
		}
		again := Encode(r)
		second, _, err := decoder().Decode("shop", &again)
		if err != nil {
			t.Fatalf("%+v was read, but not a second time: %v", r, err)
		}
		if second.Destination != r.Destination || second.User != r.User || !bytes.Equal(second.Body, r.Body) || len(second.Headers) != len(r.Headers) {
			t.Errorf("%+v became %+v", r, second)
		}
	})
}
