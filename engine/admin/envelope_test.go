package admin

import (
	"reflect"
	"testing"

	"stentor/engine/bus"
)

func TestEnvelope(t *testing.T) {
	tests := map[string]struct {
		body string
		want bus.Record
	}{
		"payload":  {`{"projectId":"shop","topic":"all","payload":{"a": 1},"updateTime":1566086400000}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`{"a": 1}`), ContentType: jsonContent}},
		"playLoad": {`{"projectId":"shop","topic":"/topic/shop/x","playLoad":"text","updateTime":"2019-08-18"}`, bus.Record{Destination: "/topic/shop/x", Body: []byte("text"), ContentType: textContent}},
		"more":     {`{"projectId":"shop","topic":"all","payload":[],"playLoad":null,"traceId":"t","user":"ann"}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`[]`), ContentType: jsonContent}},
		"null":     {`{"projectId":"shop","topic":"all","payload":null,"playLoad":null}`, bus.Record{Destination: "/topic/shop/all", Body: []byte(`null`), ContentType: jsonContent}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, node, _ := newTest(t, nil)
			var got accepted
			wantJSON(t, do(h, request("POST", "/v1/push", test.body, "Idempotency-Key: k")), &got)
			test.want.Project, test.want.ID, test.want.Time = "shop", "k", testTime
			if got.ID != "k" || got.Position != "1-0-1" || !reflect.DeepEqual(*node.taken()[0], test.want) {
				t.Errorf("answered %+v, published %+v", got, *node.taken()[0])
			}
		})
	}
}

func TestEnvelopeRefused(t *testing.T) {
	tests := map[string]struct {
		body   string
		key    string
		status int
		code   string
		part   string
	}{
		"no project":      {`{"topic":"all","payload":1}`, "shop-key", 400, codeField, "projectId"},
		"project type":    {`{"projectId":[],"topic":"all","payload":1}`, "shop-key", 400, codeField, "projectId"},
		"foreign":         {`{"projectId":"chat","topic":"all","payload":1}`, "shop-key", 403, codeForbidden, "another project"},
		"number":          {`{"projectId":17,"topic":"all","payload":1}`, "admin-key", 404, codeNotFound, `"17"`},
		"unknown":         {`{"projectId":"none","topic":"all","payload":1}`, "admin-key", 404, codeNotFound, "no project"},
		"no topic":        {`{"projectId":"shop","payload":1}`, "shop-key", 400, codeField, "no topic"},
		"no payload":      {`{"projectId":"shop","topic":"all","playload":1}`, "shop-key", 400, codeField, "no payload"},
		"both payloads":   {`{"projectId":"shop","topic":"all","payload":1,"playLoad":1}`, "shop-key", 400, codeField, "both"},
		"foreign topic":   {`{"projectId":"shop","topic":"/topic/chat/x","payload":1}`, "shop-key", 403, codeForbidden, "outside"},
		"wrong key":       {`{"projectId":"shop","topic":"all","payload":1}`, "x", 401, codeAuth, "not valid"},
		"no JSON":         {`x`, "shop-key", 400, codeJSON, "at byte 1"},
		"array":           {`[]`, "shop-key", 400, codeJSON, "an array"},
		"duplicate field": {`{"projectId":"shop","projectId":"chat","topic":"all","payload":1}`, "shop-key", 400, codeField, "twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, node, _ := newTest(t, nil)
			wantProblem(t, do(h, request("POST", "/v1/push", test.body, "Authorization: Bearer "+test.key)), test.status, test.code, test.part)
			if len(node.taken()) != 0 {
				t.Error("it was published")
			}
		})
	}
}
