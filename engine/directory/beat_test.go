package directory

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

// TestGoldenBeats: beats as nodes write them, today's and those of before there was a directory. Nodes of both kinds run side by
// side while a cluster is upgraded.
func TestGoldenBeats(t *testing.T) {
	before := `{"instance":"MTFJ6","state":"up","first":17,"sent_ms":5003,"ready":true,"late_ms":12}`
	b, err := decode([]byte(before))
	if want := (Beat{Instance: "MTFJ6", State: Up, First: 17, Sent: 5003, Ready: true, Late: 12}); err != nil || !reflect.DeepEqual(b, want) {
		t.Errorf("%+v, %v", b, err)
	}
	if got := string(Encode(b, "push-1", nil)); got != before {
		t.Errorf("a node without a key writes\n%s", got)
	}
	full := Beat{Instance: "MTFJ6", State: Up, First: 17, Sent: 5003, Ready: true, Late: 12, At: 1_700_000_000_123, Status: Status{
		URLs: []string{"wss://push-1.example.com/ws?a=1&b=2"}, API: "https://10.0.0.5:8081", Capacity: 1000000, Connections: 412345, Opening: 1200,
		Deliveries: 52000, CPU: 0.42, Memory: 4 << 30, Draining: true, Version: "1.4.0",
	}}
	const today = `{"instance":"MTFJ6","state":"up","first":17,"sent_ms":5003,"ready":true,"late_ms":12,"at_ms":1700000000123,` +
		`"urls":["wss://push-1.example.com/ws?a=1&b=2"],"api":"https://10.0.0.5:8081","capacity":1000000,"connections":412345,"opening":1200,` +
		`"deliveries":52000,"cpu":0.42,"memory":4294967296,"draining":true,"version":"1.4.0",` +
		`"mac":"1:29df02ffe7f7fc2ab054e5124f5861122a327d641c0510cab6a8dd5d177d2690"}`
	if got := string(Encode(full, "push-1", testKey)); got != today {
		t.Errorf("a node writes\n%s\nwant\n%s", got, today)
	}
	b, err = decode([]byte(today))
	if err != nil || !reflect.DeepEqual(b, full) {
		t.Errorf("%+v, %v", b, err)
	}
	if check(testKey, "push-1", []byte(today)) != sealed {
		t.Error("the seal is not right")
	}
	// What the nodes of before read of today's beats: the fields that they know.
	var old struct {
		Instance string `json:"instance"`
		State    string `json:"state"`
		First    int64  `json:"first"`
		Sent     int64  `json:"sent_ms"`
		Ready    bool   `json:"ready"`
		Late     int64  `json:"late_ms"`
	}
	if err := json.Unmarshal([]byte(today), &old); err != nil || old.Instance != "MTFJ6" || old.State != "up" || old.First != 17 || old.Sent != 5003 || !old.Ready || old.Late != 12 {
		t.Errorf("%+v, %v", old, err)
	}
	// And what today's nodes read of those to come.
	later := `{"instance":"I","state":"up","first":1,"sent_ms":2,"ready":true,"late_ms":0,"zone":{"name":["a"]},"capacity":5}`
	if b, err = decode([]byte(later)); err != nil || b.Capacity != 5 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestBeatBounds(t *testing.T) {
	const head = `{"instance":"I","state":"up","first":1,"sent_ms":2`
	for name, one := range map[string]struct {
		value string
		want  func(*Beat) bool // nil: refused
	}{
		"nothing":          {``, nil},
		"no object":        {`[1]`, nil},
		"another state":    {`{"instance":"I","state":"asleep","first":1}`, nil},
		"a long instance":  {`{"instance":"` + strings.Repeat("i", 65) + `","state":"up"}`, nil},
		"a number as text": {head + `,"capacity":"5"}`, nil},
		"a huge number":    {head + `,"capacity":1e300}`, nil},
		"before the start": {`{"instance":"I","state":"up","sent_ms":-1}`, nil},
		"out of range": {head + `,"capacity":-5,"connections":9000000000000,"cpu":-3,"late_ms":-7,"memory":-1}`, func(b *Beat) bool {
			return b.Capacity == 0 && b.Connections == maxCount && b.CPU == 0 && b.Late == 0 && b.Memory == 0
		}},
		"cpu":                {head + `,"cpu":17}`, func(b *Beat) bool { return b.CPU == 1 }},
		"null":               {head + `,"urls":null,"capacity":null}`, func(b *Beat) bool { return b.URLs == nil && b.Capacity == 0 }},
		"another scheme":     {head + `,"urls":["https://a/ws","javascript:alert(1)","wss://a/ws"],"api":"wss://a"}`, func(b *Beat) bool { return len(b.URLs) == 1 && b.URLs[0] == "wss://a/ws" && b.API == "" }},
		"many addresses":     {head + `,"urls":["ws://a",` + strings.Repeat(`"ws://a",`, 20) + `"ws://a"]}`, func(b *Beat) bool { return len(b.URLs) == MaxURLs }},
		"a long address":     {head + `,"urls":["ws://` + strings.Repeat("a", MaxURLBytes) + `"]}`, func(b *Beat) bool { return len(b.URLs) == 0 }},
		"a version to print": {head + `,"version":"1.0\u001b[2J"}`, func(b *Beat) bool { return b.Version == "" }},
	} {
		b, err := decode([]byte(one.value))
		if (err == nil) != (one.want != nil) || err == nil && !one.want(&b) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	if b := Encode(Beat{State: Up, Status: Status{CPU: math.NaN()}}, "n", testKey); check(testKey, "n", b) != sealed {
		t.Errorf("%s", b)
	}
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"ws://a", "wss://push-1.example.com:8443/ws?x=1&y=%20", "ws://[::1]:8080/ws", "wss://10.0.0.1/"} {
		if err := CheckURL(good, "ws", "wss"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "ws:", "ws://", "ws:///path", "ws://:8080/", "http://a", "//a", "a", "ws://a b", "ws://a\"", "ws://a\\", "ws://ä", "ws://a/\n", "ws://u:p@a/", "ws://a/#f", "ws://a/<", "ws:a/b", "ws://a:x/", "ws://[::1"} {
		if CheckURL(bad, "ws", "wss") == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestSeal(t *testing.T) {
	value := Encode(Beat{Instance: "I", State: Up, First: 1, Status: Status{URLs: []string{"wss://a/ws"}}}, "n1", testKey)
	if got := check(testKey, "n1", value); got != sealed {
		t.Fatalf("%d: %s", got, value)
	}
	for i := range value { // whatever is changed
		changed := append([]byte(nil), value...)
		changed[i] ^= 1
		if check(testKey, "n1", changed) == sealed {
			t.Errorf("byte %d does not count: %s", i, changed)
		}
	}
	other := []byte("another key, which is as long as it has to be")
	for name, got := range map[string]seals{
		"of another node":   check(testKey, "n2", value),
		"with another key":  check(other, "n1", value),
		"with more behind":  check(testKey, "n1", append(value[:len(value):len(value)], ' ')),
		"with a second MAC": check(testKey, "n1", []byte(strings.Replace(string(value), `"mac"`, `"mac":"","mac"`, 1))),
		"of version 2":      check(testKey, "n1", []byte(strings.Replace(string(value), `"mac":"1:`, `"mac":"2:`, 1))),
		"a MAC alone":       check(testKey, "n1", []byte(`{"mac":"1:00"}`)),
	} {
		if got != broken {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := check(testKey, "n1", Encode(Beat{State: Up}, "n1", nil)); got != unsealed {
		t.Errorf("without one: %d", got)
	}
}

// FuzzBeat: whatever stands in the topic, fields of what is read are within their bounds, and an answer with them is JSON.
func FuzzBeat(f *testing.F) {
	f.Add([]byte(`{"instance":"MTFJ6","state":"up","first":17,"sent_ms":5003,"ready":true,"late_ms":12}`))
	f.Add([]byte(`{"state":"up","first":1,"ready":true,"capacity":9,"urls":["wss://a/ws?\u0022","ws://b"],"api":"http://c","cpu":1e9,"mac":"1:"}`))
	f.Add(Encode(Beat{Instance: "I", State: Up, First: 1, Ready: true, Status: Status{Capacity: 5, URLs: []string{"wss://a/ws"}}}, "n1", testKey))
	f.Fuzz(func(t *testing.T, value []byte) {
		check(testKey, "n1", value)
		b, err := decode(value)
		if err != nil {
			return
		}
		if len(b.URLs) > MaxURLs || b.Capacity < 0 || b.Capacity > maxCount || b.Connections < 0 || b.CPU < 0 || b.CPU > 1 || b.Late < 0 || len(b.Version) > maxWord {
			t.Fatalf("%+v", b)
		}
		again, err := decode(Encode(b, "n1", testKey))
		if err != nil || len(b.URLs) > 0 && !reflect.DeepEqual(again, b) {
			t.Errorf("%+v\nis read as\n%+v, %v", b, again, err)
		}
		v := New(Options{Self: "n1"})
		v.Own(b, epoch)
		var answer struct{ Endpoints []string }
		if body, ok := v.Answer(nil, 1, epoch); ok && (json.Unmarshal(body, &answer) != nil || !reflect.DeepEqual(answer.Endpoints, b.URLs)) {
			t.Errorf("%s", body)
		}
	})
}
