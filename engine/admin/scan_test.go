package admin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{`""`: "", `"a"`: "a", `"\""`: `"`, `"\\"`: `\`, `"é\u00e9"`: "éé", `"\uD83D\uDE00"`: "😀", `"\\ud83d"`: `\ud83d`} {
		if got, err := text([]byte(in)); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]error{`1`: errNotString, `null`: errNotString, `{}`: errNotString, `"\uD83D"`: errSurrogate, `"x\uDe00"`: errSurrogate,
		`"\uD83D\uD83D\uDE00"`: errSurrogate, `"\ud83dx\ude00"`: errSurrogate, `"\ud83d\\ude00"`: errSurrogate} {
		if got, err := text([]byte(in)); err != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

// FuzzScan compares the walk with what encoding/json makes of the same text.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, ` { "a" : [ 1 , "]}\"" , {"b":null} ] , "c":true } `, `["\\",[[]],{}]`, `{"":""}`, `[1e5,-0.1]`, "7", `"x"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) || !utf8.Valid(b) {
			return
		}
		b = trimSpace(b)
		switch b[0] {
		case '[':
			var want []json.RawMessage
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			i := 0
			array(b, func(v []byte) *problem {
				if !bytes.Equal(v, want[i]) {
					t.Fatalf("element %d of %s is %s", i, b, v)
				}
				i++
				return nil
			})
			if i != len(want) {
				t.Fatalf("%d elements of %s", i, b)
			}
		case '{':
			var want map[string]json.RawMessage
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			got := map[string][]byte{}
			if p := object(b, func(name string, v []byte) *problem {
				got[name] = v
				return nil
			}); p != nil {
				if !bytes.Contains(b, []byte(`\u`)) {
					t.Fatal(p.Detail)
				}
				return
			}
			for name, v := range want {
				if !bytes.Equal(got[name], v) {
					t.Fatalf("member %q of %s is %s", name, b, got[name])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%d members of %s", len(got), b)
			}
		}
	})
}

// FuzzPush sends any body: the answer is a push or a problem, never a panic, and a JSON payload is part of the body.
func FuzzPush(f *testing.F) {
	f.Add([]byte(`{"topic":"all","payload":{"a":1},"headers":{"a":"b"},"ttl_ms":1,"id":"x"}`))
	f.Add([]byte(`{"users":["a","b"],"destination":"/queue/x","payload_base64":"AA=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, node, _ := newTest(t, nil)
		if w := do(h, request("POST", pushPath, string(body))); w.Code != 200 && w.Code != 400 && w.Code != 403 && w.Code != 413 && w.Code != 415 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, r := range node.taken() {
			if r.ContentType == jsonContent && !bytes.Contains(body, r.Body) && !bytes.Contains(body, []byte("content_type")) && !bytes.Contains(body, []byte(`\u`)) {
				t.Fatalf("%q of %q", r.Body, body)
			}
		}
	})
}

func TestSuggest(t *testing.T) {
	for in, want := range map[string]string{"payloads": "payload", "paylod": "payload", "contentType": "content_type", "content-type": "content_type", "TTL": "ttl_ms",
		"ttl": "ttl_ms", "topik": "topic", "header": "headers", "dest": "destination", "base64": "", "x": "", "": "", "sesion": "session", "message": "",
		strings.Repeat("topic", 100): ""} {
		if got := suggest(in, pushFields); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
