package admin

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNothingIsIgnored: what a caller says and no one reads is a mistake, and says so, in every operation below /v1: a parameter, one
// that is misspelt, one that comes twice, and a body where none is read. Only what clients ask for, and the envelope of senders
// that exist already, pass over what they do not know.
func TestNothingIsIgnored(t *testing.T) {
	lenient := map[string]bool{"/v1/push": true, "/v1/endpoints": true}
	tried := 0
	for _, op := range operations(t) {
		if !strings.HasPrefix(op.path, "/v1/") || lenient[op.path] {
			continue
		}
		tried++
		body := ""
		if op.body["requestBody"] != nil {
			body = `{"topic":"all","payload":1}`
		}
		media := map[bool]string{true: jsonMedia}[body != ""]
		h, node, _ := newTest(t, nil)
		r := op.request(t, media, body)
		r.URL.RawQuery = "nonsense=1"
		wantProblem(t, do(h, r), 400, codeField, `unknown parameter "nonsense": the parameters are `)
		if op.method != "GET" && body == "" {
			r := op.request(t, jsonMedia, `{"count":1}`)
			wantProblem(t, do(h, r), 400, codeField, "the request has a body, which would be ignored")
		}
		if len(node.records)+len(node.drains)+len(node.sheds) > 0 || node.reason != "" {
			t.Errorf("%s %s did something", op.method, op.path)
		}
	}
	if tried < 10 {
		t.Errorf("only %d operations were tried", tried)
	}
	h, _, _ := newTest(t, nil)
	shed := func(query string) *httptest.ResponseRecorder {
		return do(h, request("POST", "/v1/nodes/n1/shed?"+query, "", "Authorization: Bearer admin-key"))
	}
	wantProblem(t, shed("cuont=1"), 400, codeField, `unknown parameter "cuont": did you mean count? the parameters are count, min_age_ms`)
	wantProblem(t, shed("count=1&count=2"), 400, codeField, "parameter count is present twice")
}
