package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"stentor/engine/testkit"
)

// shop is the configuration of most tests: a project that takes clients with and without a token.
const shop = `
node: {id: e2e}
admin_keys: [admin-key]
default_project: shop
drain: {timeout: 10s, interval: 1ms}
projects:
  shop:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "shop-shop-shop-shop-shop-shop-shop-shop"}]
    api_keys: [shop-key]
    patterns: true
    send: {"/topic/{project}/sent/**": push, "/topic/{project}/denied/**": deny}
`

// A server is a node that serves.
type server struct {
	*testkit.Node
	t testing.TB

	Client string // address for clients, host:port
	API    string // base URL of the API, without a slash at the end
}

// setup says how to start a server. The zero value is the shop on free ports.
type setup = testkit.Setup

// completed is o with what it leaves out.
func completed(o setup) setup {
	if o.Config == "" {
		o.Config = shop
	}
	if o.Patience = patience; o.HTTP == nil {
		o.HTTP = caller
	}
	return o
}

// start starts a server, which is stopped at the end of the test.
func start(t testing.TB, o setup) *server {
	t.Helper()
	n := testkit.Start(t, completed(o))
	return &server{Node: n, t: t, Client: strings.TrimSuffix(strings.TrimPrefix(n.Clients(), "ws://"), "/ws"), API: n.URL()}
}

// term asks the server to leave, and does not wait.
func (s *server) term() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
}

// descriptors counts the open files of the process.
func (s *server) descriptors() int {
	s.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}
