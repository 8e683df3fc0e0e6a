package admin

import (
	"testing"
)

func TestProjects(t *testing.T) {
	h, _, _ := newTest(t, nil)
	type list struct {
		Projects []Project
		Next     string
	}
	for _, c := range []struct {
		key, query string
		names      []string
		next       string
	}{
		{"admin-key", "", []string{"chat", "shop"}, ""},
		{"shop-key", "", []string{"shop"}, ""},
		{"admin-key", "?limit=1", []string{"chat"}, "chat"},
		{"admin-key", "?after=chat", []string{"shop"}, ""},
		{"admin-key", "?after=d", []string{"shop"}, ""},
		{"admin-key", "?after=shop", nil, ""},
		{"shop-key", "?after=shop", nil, ""},
	} {
		var got list
		wantJSON(t, do(h, request("GET", "/v1/projects"+c.query, "", "Authorization: Bearer "+c.key)), &got)
		var names []string
		for _, p := range got.Projects {
			names = append(names, p.Project)
			if p.Sessions != 3 || p.Deliveries != 6 || p.Destinations != "prefixed" {
				t.Errorf("%+v", p)
			}
		}
		if len(names) != len(c.names) || len(names) > 0 && names[0] != c.names[0] || got.Next != c.next {
			t.Errorf("%s%s: %q, next %q", c.key, c.query, names, got.Next)
		}
	}
	wantProblem(t, do(h, request("GET", "/v1/projects", "", "Authorization: Bearer wrong")), 401, codeAuth, "not valid")
	wantProblem(t, do(h, request("GET", "/v1/projects?limit=0", "")), 400, codeField, "from 1 to 1000")
}

func TestProject(t *testing.T) {
	h, _, _ := newTest(t, nil)
	var got Project
	wantJSON(t, do(h, request("GET", "/v1/projects/shop", "")), &got)
	if got.Project != "shop" || got.Examples.Subscribe[0] != "/topic/shop/all" || got.Subscriptions != 4 {
		t.Errorf("%+v", got)
	}
	wantProblem(t, do(h, request("GET", "/v1/projects/chat", "")), 403, codeForbidden, "another project")
	wantProblem(t, do(h, request("GET", "/v1/projects/none", "", "Authorization: Bearer admin-key")), 404, codeNotFound, "none")
}
