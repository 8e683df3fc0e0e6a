//go:build clients

package java

import (
	"net/http"
	"strings"
	"testing"

	"stentor/engine/testkit"
)

// sockJs: Spring's SockJsClient connects by WebSocket and by XHR, with the credentials in its URL, sends, gets pushes of any text, and learns
// that its session was closed.
func sockJs(t *testing.T, classes string) {
	config := strings.Replace(shop, "    api_keys", "    send: {\"/topic/shop/**\": push}\n    api_keys", 1) + "endpoints: [{path: /ws, sockjs: true}]\n"
	n := testkit.Start(t, testkit.Setup{Config: config, Patience: patience, HTTP: http.DefaultClient})
	for transport, listed := range map[string]string{"websocket": "sockjs-websocket", "xhr": "xhr_streaming"} {
		t.Run(transport, func(t *testing.T) {
			const destination = "/topic/shop/java"
			url := "http" + strings.TrimPrefix(n.Clients(), "ws") + "?token=" + n.Token(t, "shop", transport) + "&projectId=shop"
			c := start(t, classes, "SockJs", transport, url, destination+"/"+transport)
			c.next("connected " + transport)
			c.next("message from Java, grüße 世界 🎉")
			if r := n.Must(t, "GET", "/v1/projects/shop/sessions?user="+transport, "shop-key", nil); !strings.Contains(string(r.Body), `"transport":"`+listed+`"`) {
				t.Errorf("it is listed as %s", r.Body)
			}
			for _, body := range []string{"hello", strings.Repeat("0123456789 äöü 世界 ", 200<<10/26), "behind it"} {
				if r := n.Push(t, "shop", []byte(`{"topic":"`+destination+"/"+transport+`","payload":"`+body+`"}`)); r.Status != http.StatusOK {
					t.Fatalf("%d %s", r.Status, r.Body)
				}
				if line := c.next("message "); line != "message "+body {
					t.Fatalf("got %.100q, want %.100q", line, body)
				}
			}
			n.Must(t, http.MethodDelete, "/v1/projects/shop/users/"+transport+"/sessions", "shop-key", nil)
			c.next("lost ")
			c.end()
		})
	}
}
