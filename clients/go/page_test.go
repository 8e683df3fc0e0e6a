//go:build clients

package client_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "stentor/clients/go"
	"stentor/engine/testkit"
)

// patience bounds the wait for any one thing.
const patience = time.Minute

// TestPage builds and runs the client in Go of docs/clients.md as it stands there.
func TestPage(t *testing.T) {
	n := testkit.Start(t, testkit.Setup{Patience: patience, HTTP: http.DefaultClient, Config: `
node: {id: recipe}
default_project: shop
projects:
  shop:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "shop-shop-shop-shop-shop-shop-shop-shop"}]
    api_keys: [shop-key]
    send: {"/topic/shop/chat/*": push}
`})
	others, err := client.Dial(t.Context(), client.Options{URL: n.Clients()})
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	if err := others.Subscribe("chat", "/topic/shop/chat/7", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := others.Next(); err != nil { // the RECEIPT
		t.Fatal(err)
	}

	cmd := exec.Command(built(t, n.Clients()))
	cmd.Env = append(os.Environ(), "STENTOR_TOKEN="+n.Token(t, "shop", "ann"))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop() // the scanner has no limit of its own
	shown := bufio.NewScanner(out)
	for _, body := range []string{"one", "two", "three"} {
		if body == "one" {
			testkit.Eventually(t, patience, func() string { return "the client is not subscribed" }, func() bool { return n.Metric(t, "stentor_subscriptions") == 2 })
		}
		n.Push(t, "shop", fmt.Appendf(nil, `{"user":"ann","destination":"/queue/orders","payload":%q}`, body))
		if !shown.Scan() || shown.Text() != body {
			t.Fatalf("the client shows %q, want %q", shown.Text(), body)
		}
		n.Must(t, http.MethodDelete, "/v1/projects/shop/users/ann/sessions", "shop-key", nil)
	}
	if m, _, err := others.Next(); err != nil || string(m.Body) != "hello" {
		t.Errorf("published %+v, %v", m, err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// built builds the page's program, for a node's address.
func built(t *testing.T, url string) (binary string) {
	t.Helper()
	const published = "wss://push.example.com/ws"
	text := testkit.Block(t, "../../docs/clients.md", "go")
	if !strings.Contains(text, published) {
		t.Fatalf("the example has no %s", published)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	if err := os.WriteFile(source, []byte(strings.Replace(text, published, url, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
