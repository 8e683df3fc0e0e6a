package sockjs

import (
	"encoding/json"
	"testing"
)

func TestParse(t *testing.T) {
	for path, want := range map[string]Target{
		"/ws": {Kind: Greeting}, "/ws/": {Kind: Greeting}, "/ws/info": {Kind: Info}, "/ws/websocket": {Kind: Raw},
		"/ws/000/abc/websocket":     {Session, "000", "abc", WebSocket},
		"/ws/a%2Fb/c_d/xhr":         {Session, "a%2Fb", "c_d", XHR},
		"/ws/0/abc/xhr_send":        {Session, "0", "abc", XHRSend},
		"/ws/0/abc/xhr_streaming":   {Session, "0", "abc", XHRStreaming},
		"/ws/0/abc/eventsource":     {Session, "0", "abc", EventSource},
		"/ws/0/abc/jsonp":           {NotBuilt, "0", "abc", "jsonp"},
		"/ws/0/abc/jsonp_send":      {NotBuilt, "0", "abc", "jsonp_send"},
		"/ws/0/abc/htmlfile":        {NotBuilt, "0", "abc", "htmlfile"},
		"/ws/iframe.html":           {Kind: NotBuilt},
		"/ws/iframe-1.2.3.html":     {Kind: NotBuilt},
		"/":                         {},
		"/wss":                      {},
		"/ws//":                     {},
		"/ws/info/":                 {},
		"/ws/a":                     {},
		"/ws/a/b":                   {},
		"/ws/a/b/":                  {},
		"/ws/a/b/xhr/":              {},
		"/ws/a/b/XHR":               {},
		"/ws//b/xhr":                {},
		"/ws/a//xhr":                {},
		"/ws/a./b/xhr":              {},
		"/ws/a/.b/xhr":              {},
		"/ws/a/b/xhr_polling":       {},
		"/ws/websocket/":            {},
		"/ws/iframe/a.html":         {},
		"/other/000/abc/websocket":  {},
		"/ws/000/abc/websocket/raw": {},
	} {
		if got := Parse("/ws", path); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	if got := Parse("/", "/info"); got.Kind != Info {
		t.Errorf("%+v", got)
	}
	if got := Parse("/", "/"); got.Kind != Greeting {
		t.Errorf("%+v", got)
	}
}

func TestInfo(t *testing.T) {
	var got struct {
		WebSocket    bool     `json:"websocket"`
		Origins      []string `json:"origins"`
		CookieNeeded *bool    `json:"cookie_needed"`
		Entropy      *uint32  `json:"entropy"`
		BaseURL      string   `json:"base_url"`
	}
	const url = `https://a.example:8443/ws?token=a"b`
	if err := json.Unmarshal(AppendInfo(nil, url, 4294967295), &got); err != nil || !got.WebSocket || len(got.Origins) != 1 || got.Origins[0] != "*:*" ||
		got.CookieNeeded == nil || *got.CookieNeeded || got.Entropy == nil || *got.Entropy != 4294967295 || got.BaseURL != url {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLeads(t *testing.T) {
	all := []string{"/ws", "/app/ws", "/"}
	for _, c := range []struct {
		url, path string
		want      bool
	}{
		{"h/ws", "/ws", true}, {"h/app/ws", "/ws", false}, {"h/app/ws", "/app/ws", true}, {"h/ws", "/app/ws", false}, {"h/a/ws", "/ws", true},
		{"h/", "/", true}, {"h/ws", "/", false},
	} {
		if got := Leads(c.url, c.path, all); got != c.want {
			t.Errorf("%s to %s: %v", c.url, c.path, got)
		}
	}
}
