package admin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"stentor/engine/bus"
)

const pushPath = "/v1/projects/shop/push"

// TestPush compares the record that reaches the bus.
func TestPush(t *testing.T) {
	tests := map[string]struct {
		body string
		want bus.Record
	}{
		"text":          {`{"topic":"all","payload":"h\u00e9 \"x\"\n"}`, bus.Record{Destination: "/topic/shop/all", Body: []byte("hé \"x\"\n"), ContentType: textContent}},
		"empty text":    {`{"topic":"all","payload":""}`, bus.Record{Destination: "/topic/shop/all", Body: []byte{}, ContentType: textContent}},
		"pair":          {`{"topic":"all","payload":"\ud83d\ude00\\ud83d"}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`😀\ud83d`), ContentType: textContent}},
		"object":        {`{"topic":"a/b","payload": {"z" :1.0e2, "a":[ "\u00e9<>" ]} }`, bus.Record{Destination: "/topic/shop/a/b", Body: []byte(`{"z" :1.0e2, "a":[ "\u00e9<>" ]}`), ContentType: jsonContent}},
		"number":        {`{"payload":12345678901234567890.10,"topic":"all"}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`12345678901234567890.10`), ContentType: jsonContent}},
		"null":          {`{"topic":"all","payload":null}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`null`), ContentType: jsonContent}},
		"nulls":         {`{"topic":"all","user":null,"payload":null,"payload_base64":"AP8=","id":null}`, bus.Record{Destination: "/topic/shop/all", Body: []byte{0, 255}, ContentType: binaryContent}},
		"bytes":         {`{"topic":"all","payload_base64":"3q2+7w=="}`, bus.Record{Destination: "/topic/shop/all", Body: []byte{0xde, 0xad, 0xbe, 0xef}, ContentType: binaryContent}},
		"content type":  {`{"topic":"all","payload":{},"content_type":"application/x"}`, bus.Record{Destination: "/topic/shop/all", Body: []byte("{}"), ContentType: "application/x"}},
		"full":          {`{"topic":"/topic/shop/x/","payload":1}`, bus.Record{Destination: "/topic/shop/x/", Body: []byte("1"), ContentType: jsonContent}},
		"user":          {`{"user":"a/b c","destination":"/queue/orders","payload":1}`, bus.Record{Destination: "/queue/orders", User: "a/b c", Body: []byte("1"), ContentType: jsonContent}},
		"user prefix":   {`{"user":"ann","destination":"/user/topic/t","payload":1}`, bus.Record{Destination: "/topic/t", User: "ann", Body: []byte("1"), ContentType: jsonContent}},
		"session":       {`{"session":"s1","destination":"/queue/orders","payload":1}`, bus.Record{Destination: "/queue/orders", Session: "s1", Body: []byte("1"), ContentType: jsonContent}},
		"ttl":           {`{"topic":"all","payload":1,"ttl_ms":1500}`, bus.Record{Destination: "/topic/shop/all", TTL: 1500 * time.Millisecond, Body: []byte("1"), ContentType: jsonContent}},
		"headers":       {`{"topic":"all","payload":1,"headers":{"z":"1","a":"x:\r\n","Receipt":""}}`, bus.Record{Destination: "/topic/shop/all", Headers: []bus.Header{{Name: "z", Value: "1"}, {Name: "a", Value: "x:\r\n"}, {Name: "Receipt"}}, Body: []byte("1"), ContentType: jsonContent}},
		"space":         {" \r\n{ \"topic\" : \"all\" ,\t\"payload\" : [ ] } \n", bus.Record{Destination: "/topic/shop/all", Body: []byte("[ ]"), ContentType: jsonContent}},
		"escaped names": {`{"\u0074opic":"all","payload":1}`, bus.Record{Destination: "/topic/shop/all", Body: []byte("1"), ContentType: jsonContent}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, node, _ := newTest(t, nil)
			var got accepted
			wantJSON(t, do(h, request("POST", pushPath, test.body, "Idempotency-Key: k")), &got)
			if got.ID != "k" || got.Position != "1-0-1" {
				t.Errorf("answered %+v", got)
			}
			test.want.Project, test.want.ID, test.want.Time = "shop", "k", testTime
			if records := node.taken(); len(records) != 1 || !reflect.DeepEqual(*records[0], test.want) {
				t.Errorf("records %+v, want %+v", *records[0], test.want)
			}
		})
	}
}

func TestPushRefused(t *testing.T) {
	long := strings.Repeat("x", 2000)
	tests := map[string]struct {
		body   string
		status int
		code   string
		part   string
	}{
		"empty":              {" ", 400, codeJSON, "is empty"},
		"cut":                {`{"topic":"all"`, 400, codeJSON, "at byte 14"},
		"trailing":           {`{"topic":"all","payload":1}x`, 400, codeJSON, "at byte 28"},
		"not UTF-8":          {"{\"topic\":\"all\",\"payload\":\"\xff\"}", 400, codeJSON, "payload_base64"},
		"array":              {`[1]`, 400, codeJSON, "not an array"},
		"number":             {`7`, 400, codeJSON, "not a number"},
		"unknown":            {`{"topic":"all","payloads":1}`, 400, codeField, "did you mean payload?"},
		"camel":              {`{"topic":"all","payload":1,"contentType":"x"}`, 400, codeField, "did you mean content_type?"},
		"case":               {`{"Topic":"all","payload":1}`, 400, codeField, "did you mean topic?"},
		"far":                {`{"zzzzzzz":"all","payload":1}`, 400, codeField, "the fields are topic, topics"},
		"twice":              {`{"topic":"all","topic":"b","payload":1}`, 400, codeField, "topic is present twice"},
		"no payload":         {`{"topic":"all"}`, 400, codeField, "no payload"},
		"both payloads":      {`{"topic":"all","payload":1,"payload_base64":""}`, 400, codeField, "both payload and payload_base64"},
		"base64":             {`{"topic":"all","payload_base64":"*"}`, 400, codeField, "not base64"},
		"base64 type":        {`{"topic":"all","payload_base64":1}`, 400, codeField, "is not a string"},
		"half a pair":        {`{"topic":"all","payload":"\ud83d"}`, 400, codeField, "surrogate"},
		"other half":         {`{"topic":"all","payload":"\ude00\ud83d"}`, 400, codeField, "surrogate"},
		"payload too large":  {`{"topic":"all","payload":"` + long + `"}`, 413, codeTooLarge, "limits.push_bytes"},
		"no target":          {`{"payload":1}`, 400, codeField, "no target"},
		"two targets":        {`{"topic":"all","user":"ann","payload":1}`, 400, codeField, "both topic and user"},
		"topic type":         {`{"topic":1,"payload":1}`, 400, codeField, "topic is not a string"},
		"topic empty":        {`{"topic":"","payload":1}`, 400, codeField, "topic is empty"},
		"topic pattern":      {`{"topic":"a*","payload":1}`, 400, codeField, "patterns are for subscriptions"},
		"topic question":     {`{"topic":"/topic/shop/?","payload":1}`, 400, codeField, "patterns are for subscriptions"},
		"topic control":      {`{"topic":"a\n","payload":1}`, 400, codeField, "control characters"},
		"topic long":         {`{"topic":"` + long + `","payload":1}`, 400, codeField, "shorten"},
		"topic of a user":    {`{"topic":"/user/queue/x","payload":1}`, 400, codeField, `send "user"`},
		"topic + dest":       {`{"topic":"all","destination":"/queue/x","payload":1}`, 400, codeField, "goes with user"},
		"foreign topic":      {`{"topic":"/topic/chat/all","payload":1}`, 403, codeForbidden, "outside project"},
		"queue":              {`{"topic":"/queue/all","payload":1}`, 403, codeForbidden, "outside project"},
		"topics type":        {`{"topics":"all","payload":1}`, 400, codeField, "send an array"},
		"topics empty":       {`{"topics":[],"payload":1}`, 400, codeField, "is empty"},
		"topics element":     {`{"topics":["a",null],"payload":1}`, 400, codeField, "element of topics"},
		"topics twice":       {`{"topics":["a","/topic/shop/a"],"payload":1}`, 400, codeField, "present twice"},
		"topics foreign":     {`{"topics":["a","/topic/chat/a"],"payload":1}`, 403, codeForbidden, "outside project"},
		"user no dest":       {`{"user":"ann","payload":1}`, 400, codeField, "user needs destination"},
		"user empty":         {`{"user":"","destination":"/queue/x","payload":1}`, 400, codeField, "user is"},
		"users twice":        {`{"users":["ann","ann"],"destination":"/queue/x","payload":1}`, 400, codeField, "present twice"},
		"user dest relative": {`{"user":"ann","destination":"queue","payload":1}`, 400, codeField, "start it with /"},
		"user dest empty":    {`{"user":"ann","destination":"/user/","payload":1}`, 400, codeField, "start it with /"},
		"user dest pattern":  {`{"user":"ann","destination":"/queue/*","payload":1}`, 400, codeField, "patterns"},
		"user dest type":     {`{"user":"ann","destination":{},"payload":1}`, 400, codeField, "is not a string"},
		"session long":       {`{"session":"` + long[:200] + `","destination":"/queue/x","payload":1}`, 400, codeField, "session is"},
		"ttl zero":           {`{"topic":"all","payload":1,"ttl_ms":0}`, 400, codeField, "ttl_ms"},
		"ttl fraction":       {`{"topic":"all","payload":1,"ttl_ms":1.5}`, 400, codeField, "ttl_ms"},
		"ttl text":           {`{"topic":"all","payload":1,"ttl_ms":"1"}`, 400, codeField, "ttl_ms"},
		"ttl huge":           {`{"topic":"all","payload":1,"ttl_ms":9223372036854775807}`, 400, codeField, "ttl_ms"},
		"content type type":  {`{"topic":"all","payload":1,"content_type":1}`, 400, codeField, "content_type"},
		"content type empty": {`{"topic":"all","payload":1,"content_type":""}`, 400, codeField, "content_type"},
		"content type line":  {`{"topic":"all","payload":1,"content_type":"a\nb"}`, 400, codeField, "content_type"},
		"headers type":       {`{"topic":"all","payload":1,"headers":[]}`, 400, codeField, "headers is an array"},
		"header value":       {`{"topic":"all","payload":1,"headers":{"a":1}}`, 400, codeField, `header "a"`},
		"header reserved":    {`{"topic":"all","payload":1,"headers":{"message-id":"1"}}`, 400, codeField, `header "message-id" is STOMP's or the server's own`},
		"header position":    {`{"topic":"all","payload":1,"headers":{"position":"1"}}`, 400, codeField, `header "position" is STOMP's or the server's own`},
		"header with spaces": {`{"topic":"all","payload":1,"headers":{" resumed ":"true"}}`, 400, codeField, `header " resumed " is STOMP's or the server's own`},
		"header colon":       {`{"topic":"all","payload":1,"headers":{"a:b":"1"}}`, 400, codeField, "no ':'"},
		"header line":        {`{"topic":"all","payload":1,"headers":{"a\r":"1"}}`, 400, codeField, "no ':'"},
		"header no name":     {`{"topic":"all","payload":1,"headers":{"":"1"}}`, 400, codeField, "at least one"},
		"header NUL":         {`{"topic":"all","payload":1,"headers":{"a":"\u0000"}}`, 400, codeField, "NUL"},
		"header twice":       {`{"topic":"all","payload":1,"headers":{"a":"1","a":"2"}}`, 400, codeField, "present twice"},
		"headers many":       {`{"topic":"all","payload":1,"headers":{` + manyHeaders(65, "") + `}}`, 400, codeField, "more than 64"},
		"headers long":       {`{"topic":"all","payload":1,"headers":{` + manyHeaders(10, long) + `}}`, 400, codeField, "more than 16384"},
		"id type":            {`{"topic":"all","payload":1,"id":7}`, 400, codeField, "id is not a string"},
		"id empty":           {`{"topic":"all","payload":1,"id":""}`, 400, codeField, "visible ASCII"},
		"id separator":       {`{"topic":"all","payload":1,"id":"a#1"}`, 400, codeField, "other than #"},
		"id space":           {`{"topic":"all","payload":1,"id":"a b"}`, 400, codeField, "visible ASCII"},
		"id long":            {`{"topic":"all","payload":1,"id":"` + long[:129] + `"}`, 400, codeField, "1 to 128"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, node, _ := newTest(t, nil)
			wantProblem(t, do(h, request("POST", pushPath, test.body)), test.status, test.code, test.part)
			if n := len(node.taken()); n != 0 {
				t.Errorf("%d records were published", n)
			}
		})
	}
}

func manyHeaders(n int, value string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"h%d":"%s"`, i, value))
	}
	return strings.Join(all, ",")
}

func TestMaxTargets(t *testing.T) {
	h, node, _ := newTest(t, func(o *Options) { o.PushBytes = 1 << 20 })
	names := make([]string, maxTargets+1)
	for i := range names {
		names[i] = fmt.Sprintf(`"u%d"`, i)
	}
	body := func(n int) string {
		return `{"users":[` + strings.Join(names[:n], ",") + `],"destination":"/queue/x","payload":"x"}`
	}
	wantProblem(t, do(h, request("POST", pushPath, body(maxTargets+1))), 400, codeField, "more than 1000")
	var got accepted
	wantJSON(t, do(h, request("POST", pushPath, body(maxTargets))), &got)
	if len(got.Pushes) != maxTargets || len(node.taken()) != maxTargets {
		t.Errorf("%d answers, %d records", len(got.Pushes), len(node.taken()))
	}
}

func TestIdempotencyKey(t *testing.T) {
	body := `{"topic":"all","payload":1}`
	withID := `{"topic":"all","payload":1,"id":"a"}`
	h, node, _ := newTest(t, nil)
	for range 2 {
		for _, r := range []*http.Request{request("POST", pushPath, withID), request("POST", pushPath, body, "Idempotency-Key: a"),
			request("POST", pushPath, body, `Idempotency-Key: "a"`), request("POST", pushPath, withID, "Idempotency-Key: a")} {
			var got accepted
			if wantJSON(t, do(h, r), &got); got.ID != "a" || got.Position != "1-0-1" {
				t.Errorf("answered %+v", got)
			}
		}
	}
	if n := len(node.taken()); n != 1 {
		t.Errorf("%d records were published", n)
	}
	wantProblem(t, do(h, request("POST", pushPath, withID, "Idempotency-Key: b")), 400, codeField, `id is "a" and Idempotency-Key is "b"`)
	wantProblem(t, do(h, request("POST", pushPath, body, "Idempotency-Key: a b")), 400, codeField, "visible ASCII")
	wantProblem(t, do(h, request("POST", pushPath, body, `Idempotency-Key: ""`)), 400, codeField, "visible ASCII")
	twice := request("POST", pushPath, body)
	twice.Header["Idempotency-Key"] = []string{"a", "b"}
	wantProblem(t, do(h, twice), 400, codeField, "2 times")

	var first, second accepted
	wantJSON(t, do(h, request("POST", pushPath, body)), &first)
	wantJSON(t, do(h, request("POST", pushPath, body)), &second)
	if first.ID == second.ID || len(first.ID) != 16 {
		t.Errorf("made ids %q and %q", first.ID, second.ID)
	}
}

// TestTargets pushes to several users of whom one cannot be reached at first, and then again with the same id.
func TestTargets(t *testing.T) {
	h, node, _ := newTest(t, nil)
	busy := true
	node.publish = func(r *bus.Record, done func(bus.Position, error)) bool {
		if busy && r.User == "bob" {
			done(bus.Position{}, bus.ErrBusy)
			return true
		}
		return false
	}
	body := `{"users":["ann","bob","cid"],"destination":"/queue/x","payload":"x","id":"n"}`
	p := wantProblem(t, do(h, request("POST", pushPath, body)), 503, codeBusy, "1 of 3 targets")
	want := []outcome{{Destination: "/queue/x", User: "ann", ID: "n#1", Position: "1-0-1"}, {Destination: "/queue/x", User: "bob", ID: "n#2", Code: codeBusy},
		{Destination: "/queue/x", User: "cid", ID: "n#3", Position: "1-0-2"}}
	for i := range p.Pushes {
		p.Pushes[i].Detail = ""
	}
	if p.ID != "n" || !reflect.DeepEqual(p.Pushes, want) {
		t.Errorf("answered %+v", p)
	}
	busy = false
	want[1] = outcome{Destination: "/queue/x", User: "bob", ID: "n#2", Position: "1-0-3"}
	want[0].Repeated, want[2].Repeated = true, true
	var got accepted
	wantJSON(t, do(h, request("POST", pushPath, body)), &got)
	if got.ID != "n" || got.Position != "1-0-2" || got.Repeated || !reflect.DeepEqual(got.Pushes, want) {
		t.Errorf("answered %+v", got)
	}
	if n := len(node.taken()); n != 3 {
		t.Errorf("%d records", n)
	}
	// The same id says so when nothing at all was published, whatever the payload is.
	wantJSON(t, do(h, request("POST", pushPath, strings.Replace(body, `"x","id"`, `"y","id"`, 1))), &got)
	if !got.Repeated || len(node.taken()) != 3 {
		t.Errorf("answered %+v, %d records", got, len(node.taken()))
	}
	got = accepted{}
	wantJSON(t, do(h, request("POST", pushPath, `{"topics":["b","a"],"payload":1,"id":"t"}`)), &got)
	if len(got.Pushes) != 2 || got.Pushes[0].Destination != "/topic/shop/b" || got.Pushes[0].ID != "t#1" {
		t.Errorf("answered %+v", got)
	}
}

func TestBusErrors(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{bus.ErrBusy, 503, codeBusy},
		{fmt.Errorf("wrapped: %w", bus.ErrRateLimited), 429, codeLimit},
		{bus.ErrClosed, 503, codeStopping},
		{bus.ErrUnknownProject, 404, codeNotFound},
		{io.ErrClosedPipe, 503, codeUnavailable},
	}
	for _, test := range tests {
		h, node, _ := newTest(t, nil)
		node.publish = func(_ *bus.Record, done func(bus.Position, error)) bool {
			go done(bus.Position{}, test.err)
			return true
		}
		p := wantProblem(t, do(h, request("POST", pushPath, `{"topic":"all","payload":1}`)), test.status, test.code, "")
		if len(p.ID) != 16 || strings.Contains(p.Detail, "closed pipe") {
			t.Errorf("%v: %+v", test.err, p)
		}
	}
}

// TestPublishTimeout lets the bus answer after nobody waits any more, which must not block it.
func TestPublishTimeout(t *testing.T) {
	h, node, _ := newTest(t, func(o *Options) { o.PublishTimeout = 5 * time.Millisecond })
	var late []func(bus.Position, error)
	node.publish = func(_ *bus.Record, done func(bus.Position, error)) bool {
		late = append(late, done)
		return true
	}
	p := wantProblem(t, do(h, request("POST", pushPath, `{"topic":"all","payload":1,"id":"a"}`)), 503, codeTimeout, "the same id")
	if p.ID != "a" {
		t.Errorf("id %q", p.ID)
	}
	for _, done := range late {
		done(bus.Position{}, nil)
	}
}

func TestAccess(t *testing.T) {
	h, _, _ := newTest(t, nil)
	body := `{"topic":"all","payload":1}`
	for _, key := range []string{"Bearer shop-key", "bearer shop-key", "Bearer  admin-key"} {
		if w := do(h, request("POST", pushPath, body, "Authorization: "+key)); w.Code != 200 {
			t.Errorf("%q: %d %s", key, w.Code, w.Body)
		}
	}
	for _, key := range []string{"", "Bearer", "Bearer ", "Basic shop-key", "shop-key"} {
		wantProblem(t, do(h, request("POST", pushPath, body, "Authorization: "+key)), 401, codeAuth, "Authorization: Bearer KEY")
	}
	wantProblem(t, do(h, request("POST", pushPath, body, "Authorization: Bearer x")), 401, codeAuth, "not valid")
	wantProblem(t, do(h, request("POST", "/v1/projects/none/push", body, "Authorization: Bearer x")), 401, codeAuth, "not valid")
	wantProblem(t, do(h, request("POST", pushPath, body, "Authorization: Bearer chat-key")), 403, codeForbidden, "another project")
	wantProblem(t, do(h, request("POST", "/v1/projects/none/push", body)), 403, codeForbidden, "another project")
	wantProblem(t, do(h, request("POST", "/v1/projects/none/push", body, "Authorization: Bearer admin-key")), 404, codeNotFound, "no project")
}

func TestMediaType(t *testing.T) {
	h, _, _ := newTest(t, nil)
	body := `{"topic":"all","payload":1}`
	for _, kind := range []string{"application/json", "Application/JSON; charset=UTF-8", "application/json; charset=utf8", "application/json;charset=latin1", "application/json; charset"} {
		if w := do(h, request("POST", pushPath, body, "Content-Type: "+kind)); w.Code != 200 {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
		}
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/x-ndjson", ";"} {
		wantProblem(t, do(h, request("POST", pushPath, body, "Content-Type: "+kind)), 415, codeMediaType, "")
	}
	wantProblem(t, do(h, request("POST", pushPath, body, "Content-Encoding: gzip")), 415, codeMediaType, "gzip")
}

// unread fails the test when a handler reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodyLimit(t *testing.T) {
	h, _, _ := newTest(t, nil)
	limit := int64(2*1000 + envelopeBytes)
	r := request("POST", pushPath, "x")
	r.Body, r.ContentLength = io.NopCloser(unread{t}), limit+1
	wantProblem(t, do(h, r), 413, codeTooLarge, fmt.Sprint(limit))

	// Without a declared length it ends at the limit.
	r = request("POST", pushPath, "x")
	body := bytes.NewReader(make([]byte, 10*limit))
	r.Body, r.ContentLength = io.NopCloser(body), -1
	wantProblem(t, do(h, r), 413, codeTooLarge, fmt.Sprint(limit))
	if read := 10*limit - int64(body.Len()); read > limit+1 {
		t.Errorf("%d bytes were read", read)
	}

	// No key, no reading.
	r = request("POST", pushPath, "x", "Authorization: ")
	r.Body = io.NopCloser(unread{t})
	wantProblem(t, do(h, r), 401, codeAuth, "")
	r = request("POST", "/v1/push", "x", "Authorization: Bearer x")
	r.Body = io.NopCloser(unread{t})
	wantProblem(t, do(h, r), 401, codeAuth, "")

	// A body that ends early.
	r = request("POST", pushPath, `{"topic":"all","payload":1}`)
	r.ContentLength += 5
	wantProblem(t, do(h, r), 400, codeJSON, "ended early")
}

// TestBodyBudget holds a project's share of the memory for bodies with a request that waits for the bus.
func TestBodyBudget(t *testing.T) {
	const size = int64(2*1000 + envelopeBytes)
	h, node, registry := newTest(t, func(o *Options) { o.MemoryBytes = 3 * size })
	answers := make(chan func(bus.Position, error))
	node.publish = func(r *bus.Record, done func(bus.Position, error)) bool {
		if r.ID == "waits" {
			answers <- done
		}
		return r.ID == "waits"
	}
	body := func(project, id string) string {
		text := fmt.Sprintf(`{"topic":"/topic/%s/all","payload":1,"id":"%s"}`, project, id)
		return text + strings.Repeat(" ", int(size)-len(text))
	}
	answer := make(chan *httptest.ResponseRecorder)
	go func() { answer <- do(h, request("POST", pushPath, body("shop", "waits"))) }()
	done := <-answers
	wantProblem(t, do(h, request("POST", pushPath, body("shop", "a"))), 429, codeLimit, "limits.api_bytes")
	for range 3 {
		r := request("POST", "/v1/projects/chat/push", body("chat", "b"), "Authorization: Bearer chat-key")
		if w := do(h, r); w.Code != 200 {
			t.Errorf("another project: %d %s", w.Code, w.Body)
		}
	}
	r := request("POST", pushPath, body("shop", "c"), "Authorization: Bearer admin-key")
	if w := do(h, r); w.Code != 200 {
		t.Errorf("the admin: %d %s", w.Code, w.Body)
	}
	done(bus.Position{}, nil)
	if w := <-answer; w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(h, request("POST", pushPath, body("shop", "a"))); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want := "# HELP stentor_api_refused_total Requests of the HTTP API that were refused because their key's owner uses up its share of a limit, or others use up the limit (full); limit is its key below limits: in the configuration, or turns for the processing time.\n" +
		"# TYPE stentor_api_refused_total counter\nstentor_api_refused_total{limit=\"api_bytes\",reason=\"full\"} 0\nstentor_api_refused_total{limit=\"api_bytes\",reason=\"share\"} 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "stentor_api_refused_total"); err != nil {
		t.Error(err)
	}
}
