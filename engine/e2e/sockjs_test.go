package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stentor/engine/testkit"
	"stentor/tuning/proxy"
)

// sockjsShop is the configuration of tests with sockjs-client.
const sockjsShop = shop + `
endpoints: [{path: /ws, sockjs: true, origins: [loopback]}]
`

// transports are those of sockjs-client, with what the API calls a session over them.
var transports = []struct{ name, listed string }{
	{"websocket", "sockjs-websocket"},
	{"xhr-streaming", "xhr_streaming"},
	{"xhr-polling", "xhr"},
	{"eventsource", "eventsource"},
}

// overSockJS are the libraries over each transport by itself.
func overSockJS() (all []library) {
	for _, one := range transports {
		all = append(all,
			library{name: modern, sockjs: one.name, version: "1.2", beats: true},
			library{name: classic, sockjs: one.name, version: "1.1", beats: true},
		)
	}
	return all
}

// TestSockJSLibraries: over each transport of sockjs-client by itself the libraries can do what they can over a WebSocket.
func TestSockJSLibraries(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: sockjsShop, Set: beating})
	converse(t, s, overSockJS())
}

// TestSockJSSessions: a page's query has its credentials; a session shows its transport, gets large and small pushes of any text,
// and is told why it was kicked.
func TestSockJSSessions(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: sockjsShop})
	d := launch(t, "driver.js")
	for _, one := range transports {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			user := "user of " + one.name
			a := d.actor(t, one.name)
			a.do("make", fields{
				"library": modern, "sockjs": one.name,
				"url": "http://" + s.Client + "/ws?token=" + s.Token(t, "shop", user) + "&projectId=shop",
			})
			if r := a.want("open"); len(r.Texts) != 1 || r.Texts[0] != one.name {
				t.Errorf("it is open by %q", r.Texts)
			}
			if r := a.want("connected"); r.Headers["user-name"] != user {
				t.Errorf("connected with %q", r.Headers)
			}
			dest := "/topic/shop/" + one.name
			a.do("subscribe", fields{"id": "s", "destination": dest, "headers": fields{"receipt": "r"}})
			a.wantReceipt("r")
			if all := s.sessions(t, "shop", "shop-key", "?user="+strings.ReplaceAll(user, " ", "%20")); len(all) != 1 || all[0].Transport != one.listed {
				t.Errorf("listed as %+v, want the transport %s", all, one.listed)
			}
			for _, body := range []string{
				strings.Repeat(`{"n":1} `, 2<<10/8), strings.Repeat("0123456789 äöü 世界 🎉 \u2028\u200b\ufff0 \"\\/\x00\x1f\n", 200<<10/50), "grüße 世界 🎉", "",
			} {
				s.push(t, fields{"topic": dest, "payload": body})
				a.wantMessage("s", body)
			}
			s.Must(t, http.MethodDelete, "/v1/projects/shop/users/"+strings.ReplaceAll(user, " ", "%20")+"/sessions?reason=too+loud", "shop-key", nil)
			if r := a.want("close"); r.Code != 1008 || r.Reason != "closed by an operator: too loud" {
				t.Errorf("closed with %d %q", r.Code, r.Reason)
			}
		})
	}
}

// TestSockJSInChromium: pages of the node's own origin, and of another one, which CORS is for, connect by each transport, send and
// get pushes.
func TestSockJSInChromium(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: sockjsShop})
	page := browse(t, "sockjs_page.js", "http://"+s.Client+"/")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	defer elsewhere.Close()
	own, other := "http://"+s.Client+"/ws", elsewhere.URL // the greeting is a page as well
	for _, l := range overSockJS() {
		for _, at := range []string{own, other} {
			name, kind := l.String(), "own"
			if at == other {
				kind = "another"
			}
			if at == other && l.name == classic {
				continue // the library makes no difference to CORS
			}
			t.Run(name+" from "+kind+" origin", func(t *testing.T) {
				a := page.script.actor(t, t.Name())
				dest := "/topic/shop/sent/" + strings.ReplaceAll(name, "@", "at-")
				a.do("connect", fields{
					"library": l.name, "transport": l.sockjs, "page": at, "destination": dest, "headers": fields{},
					"url": "http://" + s.Client + "/ws?token=" + s.Token(t, "shop", name) + "&projectId=shop",
				})
				if r := a.want("open"); len(r.Texts) != 1 || r.Texts[0] != l.sockjs {
					t.Errorf("it is open by %q", r.Texts)
				}
				if r := a.want("connected"); r.Headers["user-name"] != name {
					t.Errorf("connected with %q", r.Headers)
				}
				a.do("send", fields{"body": "from the page, grüße 世界 🎉"})
				a.wantMessage("s", "from the page, grüße 世界 🎉")
				body := strings.Repeat("0123456789 äöü 世界 🎉 \u2028\u200b\n", 200<<10/50)
				s.push(t, fields{"topic": dest, "payload": body})
				a.wantMessage("s", body)
				a.do("close", nil)
				a.take("closed", func(r report) bool { return r.Event == "closed" })
			})
		}
	}
	page.do("end", nil)
	page.want("end")
	eventually(t, "the sessions of closed pages end", func() bool { return len(s.sessions(t, "shop", "shop-key", "")) == 0 })
}

// TestSockJSBehindBuffers: a proxy that knows no WebSockets and passes answers on when they are complete leaves polling, to which
// sockjs-client falls back by itself.
func TestSockJSBehindBuffers(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: sockjsShop})
	f := testkit.BehindOther(t, proxy.Nginx, func(listen, dir string) string {
		return fmt.Sprintf(`
pid %[2]s/pid;
error_log %[2]s/errors;
worker_processes 1;
events { worker_connections 500; }
http {
  access_log off;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  server {
    listen %[1]s;
    location / {
      proxy_pass http://%[3]s;
      proxy_set_header Host $http_host;
      proxy_buffering on;
      proxy_buffers 8 128k;
      proxy_buffer_size 128k;
      proxy_busy_buffers_size 256k;
      proxy_ignore_headers X-Accel-Buffering;
    }
  }
}
`, listen, dir, s.Client)
	})
	a := launch(t, "driver.js").actor(t, "buffered")
	a.do("make", fields{
		"library": modern, "url": "http://" + f.Address + "/ws", "sockjs": []string{"websocket", "xhr-streaming", "eventsource", "xhr-polling"}, "timeout": 2000,
		"reconnect": 100, // sockjs-client passes over the transport behind one that took too long, at times also the last
	})
	opened := a.wantEvent("open")
	if len(opened.Texts) != 1 || opened.Texts[0] != "xhr-polling" {
		t.Errorf("it is open by %q", opened.Texts)
	}
	a.wantEvent("connected")
	a.do("subscribe", fields{"id": "s", "destination": "/topic/shop/all", "headers": fields{"receipt": "r"}})
	a.wantEvent("receipt")
	for _, body := range []string{"hello", strings.Repeat("0123456789 äöü 世界\n", 200<<10/26), "behind it"} {
		s.push(t, fields{"topic": "all", "payload": body})
		if r := a.wantEvent("message"); r.Body != body {
			t.Errorf("got %.300v, want %.100q", r, body)
		}
	}
}

// TestSockJSSlow: a receiver that does not read is closed as a slow client over a WebSocket is, and others do not wait for it.
func TestSockJSSlow(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: sockjsShop, Set: []string{"projects.shop.slow.policy=disconnect", "projects.shop.slow.timeout=1s"}})
	u := newSockJSURL(t, s)
	c := &channel{u: u, path: u.path()}
	slow := u.stream("POST", c.path+"/xhr_streaming")
	slow.next()
	slow.want("o\n")
	c.join(slow.next)
	quick := s.join(t)
	quick.subscribe("q", c.destination)
	body := strings.Repeat("x", 60_000)
	n := 0
	eventually(t, "the slow receiver is closed", func() bool {
		n++
		s.push(t, fields{"topic": c.destination, "payload": body})
		quick.wantMessage(body)
		return s.Metric(t, "stentor_slow_closes_total") == 1
	})
	t.Logf("after %d pushes", n)
	eventually(t, "its session ends", func() bool { return len(s.sessions(t, "shop", "shop-key", "")) == 1 })
}

// TestSockJSResumes: a node is killed, and clients continue on another one behind the last message that they got, over each
// transport.
func TestSockJSResumes(t *testing.T) {
	t.Parallel()
	c := newTrial(t, 2, "endpoints=[{path: /ws, sockjs: true, origins: [loopback]}]")
	applications := launch(t, "applications.js", "none", "50")
	var all []*actor
	for _, one := range transports {
		a := applications.actor(t, one.name)
		a.do("resuming", fields{
			"destination": "/topic/demo/all", "project": "demo", "sockjs": one.name, "breakAfter": -1,
			"urls": []string{"http" + strings.TrimPrefix(c.nodes[1].client, "ws"), "http" + strings.TrimPrefix(c.nodes[0].client, "ws")},
		})
		all = append(all, a)
	}
	for _, a := range all {
		a.wantEvent("subscribed")
	}
	const pushes, killedAfter = 60, 30
	var want []string
	for i := range pushes {
		if i == killedAfter {
			c.kill(1)
		}
		body := fmt.Sprint(i)
		want = append(want, body)
		c.push(0, body)
	}
	for _, a := range all {
		last := want[len(want)-1]
		a.take("the last message", func(r report) bool { return r.Event == "message" && r.Body == last })
		a.do("result", nil)
		if got := a.wantEvent("bodies").Texts; !slices.Equal(got, want) {
			t.Errorf("%s: got %v", a.name, got)
		}
		if got := a.wantEvent("resumed").Texts; len(got) == 0 || slices.ContainsFunc(got, func(r string) bool { return r != "true" }) {
			t.Errorf("%s: it resumed with %v", a.name, got)
		}
	}
}

// trial is a cluster that `stentor cluster --dev` runs.
type trial struct {
	t     *testing.T
	nodes []trialNode
}

type trialNode struct {
	pid         int
	client, api string
}

var trialLine = regexp.MustCompile(`^dev-\d+ +(\d+) +clients (\S+) +API and console (\S+)`)

// newTrial starts one with these settings, which ends with the test.
func newTrial(t *testing.T, nodes int, settings ...string) *trial {
	t.Helper()
	args := []string{"cluster", "--dev", "-n", fmt.Sprint(nodes), "--base-port", "0"}
	for _, one := range settings {
		args = append(args, "--set", one)
	}
	cmd := testkit.Command(args...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said testkit.Journal
	ended := make(chan struct{})
	go func() {
		said.Read(out)
		_ = cmd.Wait() // one of its nodes is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Error("the cluster does not end")
		}
	})
	if _, ok := said.Wait(0, func(line string) bool { return strings.Contains(line, "Ctrl-C") }, ended, patience); !ok {
		t.Fatalf("the cluster does not start:\n%s", said.Text())
	}
	c := &trial{t: t}
	for line := range strings.Lines(said.Text()) {
		if m := trialLine.FindStringSubmatch(line); m != nil {
			n := trialNode{client: m[2], api: strings.TrimSuffix(m[3], "/")}
			if n.pid, err = strconv.Atoi(m[1]); err != nil {
				t.Fatal(err)
			}
			c.nodes = append(c.nodes, n)
		}
	}
	if len(c.nodes) != nodes {
		t.Fatalf("nodes %+v in\n%s", c.nodes, said.Text())
	}
	return c
}

// kill ends a node at once.
func (c *trial) kill(node int) {
	c.t.Helper()
	if err := syscall.Kill(c.nodes[node].pid, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
}

// push has a node accept a push to all.
func (c *trial) push(node int, body string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.nodes[node].api+"/v1/projects/demo/push", bytes.NewReader(fields{"topic": "all", "payload": body}.json(c.t)))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer demo-key")
	r.Header.Set("Content-Type", "application/json")
	answer, err := caller.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		c.t.Fatalf("push: %s", answer.Status)
	}
}
