package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	account "os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/certs"
	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
	"stentor/engine/websocket"
	"stentor/stomp"
	"stentor/tuning/proxy"
)

// Other implementations of TLS as clients of a node, over its whole stack.

// peerPatience is how long a peer's program may take.
const peerPatience = time.Minute

// need skips a test whose program is not installed, and fails it in CI.
func need(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		testkit.Missing(t, fmt.Sprintf("needs %s, which engine/e2e/deps.sh, tuning/deps.sh or kafka/dev/deps.sh installs: %v %.200s", name, err, out))
	}
}

// anchor writes the certificate that the clients of trust trust, and returns the file.
func anchor(t *testing.T, certificate *x509.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// shown is the certificate that a node shows.
func (n testNode) shown(t *testing.T, trust *tls.Config) *x509.Certificate {
	t.Helper()
	c := n.dial(t).over(trust)
	c.connect(t)
	defer func() { _ = c.conn.Close() }()
	return c.conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// program is a process that carries a connection over its input and output.
type program struct {
	net.Conn // deadlines are of the process
	in       io.WriteCloser
	out      io.Reader
}

func (p program) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p program) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p program) Close() error                { return p.in.Close() }

// through runs a program as a client, which ends with the test.
func through(t *testing.T, name string, args ...string) *testClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	cmd := exec.CommandContext(ctx, name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		cancel()
		_ = cmd.Wait() // killed, as a rule
	})
	return &testClient{conn: program{in: in, out: out}}
}

// session has a session of c, in which pushes and answers pass.
func (n testNode) session(t *testing.T, c *testClient, topic string) {
	t.Helper()
	c.connect(t)
	c.send(t, stomp.Subscribe, "id", "1", "destination", topic, "receipt", "1")
	c.until(t, "receipt-id:1")
	n.exchange(t, c, topic, "a push")
	n.exchange(t, c, topic, strings.Repeat("a large push ", 5000))
}

// exchange passes a push and an answer.
func (n testNode) exchange(t *testing.T, c *testClient, topic, body string) {
	t.Helper()
	n.publish(t, &bus.Record{Project: "shop", Destination: topic, Body: []byte(body)})
	c.until(t, body)
	c.send(t, stomp.Send, "destination", topic, "receipt", "2")
	c.until(t, "receipt-id:2")
}

// withRSA writes two certificates for the same name, of which one has an RSA key (.rsa), and both in one file (.both).
func withRSA(t *testing.T) (file string) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Certificate)
	template, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	template.SignatureAlgorithm, template.PublicKey, template.PublicKeyAlgorithm = 0, nil, 0
	template.Subject.CommonName = "with RSA" // else one of the two would be taken for the other
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	other := certificate.Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}
	if file, err = pair.Write(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{".rsa": other.Certificate, ".rsa.key": other.Key, ".both": append(pair.Certificate, other.Certificate...)} {
		if err := os.WriteFile(file+name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// TestTLSOpenSSL has OpenSSL's client as the peer: each version, suite and kind of certificate, tickets, and changes of keys.
func TestTLSOpenSSL(t *testing.T) {
	need(t, "openssl", "s_client", "-help")
	inBoth(t, testTLSOpenSSL)
}

func testTLSOpenSSL(t *testing.T, ours bool) {
	file := withRSA(t)
	c, err := certs.Load(certs.Options{Pairs: []certs.Pair{{Cert: file, Key: file + ".key"}, {Cert: file + ".rsa", Key: file + ".rsa.key"}}, MinVersion: tls.VersionTLS12, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n, _, stop := startSecure(t, ours, func(o *Options) { o.TLS.Config = c.Clients() })
	defer stop()
	file += ".both"
	client := func(t *testing.T, args ...string) *testClient {
		return through(t, "openssl", append([]string{"s_client", "-connect", n.Addresses()[0].String(), "-servername", certificate.Name, "-CAfile", file, "-verify_return_error"}, args...)...)
	}
	for _, args := range [][]string{
		{"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"},
		{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"},
		{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
		{"-tls1_3", "-groups", "P-521:X25519"}, // a HelloRetryRequest
		{"-tls1_3", "-max_send_frag", "512", "-split_send_frag", "512"},
		{"-tls1_3", "-record_padding", "500"},
		{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"},
		{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"},
		{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"},
		{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"},
		{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"},
		{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"},
		{"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"},
		{"-tls1_3", "-sigalgs", "RSA-PSS+SHA256"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			c := client(t, args...)
			topic := fmt.Sprintf("/topic/shop/%x", sha256.Sum256([]byte(t.Name())))
			n.session(t, c, topic)
			if args[0] == "-tls1_2" {
				// A renegotiation is refused.
				c.write(t, []byte("R\n"))
				c.until(t, "RENEGOTIATING")
				c.end(t)
				return
			}
			for range 3 {
				for _, command := range []string{"K\n", "k\n"} { // a KeyUpdate that asks for one, and one that does not
					c.write(t, []byte(command))
					c.until(t, "KEYUPDATE")
					n.exchange(t, c, topic, "a push with a new key "+command[:1])
				}
			}
			c.write(t, []byte("Q\n"))
			c.end(t)
			n.gone(t)
		})
	}
	for option, version := range map[string]string{"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"} {
		t.Run("tickets "+version, func(t *testing.T) {
			ticket := filepath.Join(t.TempDir(), "ticket")
			c := client(t, option, "-sess_out", ticket)
			n.session(t, c, "/topic/shop/first"+version)
			c.write(t, []byte("Q\n"))
			c.end(t)
			c = client(t, option, "-sess_in", ticket)
			c.until(t, "Reused, "+version)
			n.session(t, c, "/topic/shop/second"+version)
		})
	}
	if got := n.failed(t, ""); got != 0 {
		t.Errorf("%v failures are counted", got)
	}
}

// TestTLSCurl has curl as the peer of what the port answers over plain HTTPS.
func TestTLSCurl(t *testing.T) {
	need(t, "curl", "--version")
	inBoth(t, testTLSCurl)
}

func testTLSCurl(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	file := anchor(t, n.shown(t, trust))
	for _, version := range []string{"--tlsv1.3", "--tls-max 1.2"} {
		port := n.Addresses()[0].Port()
		args := append(strings.Fields(version), "-sS", "-m", "30", "--cacert", file, "--resolve", fmt.Sprintf("%s:%d:127.0.0.1", certificate.Name, port), "-w", " %{http_code}", "https://"+net.JoinHostPort(certificate.Name, fmt.Sprint(port))+"/nothing")
		out, err := exec.Command("curl", args...).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), " 426") {
			t.Errorf("%s: %s, %v", version, out, err)
		}
	}
}

// script is what a program has to do with its WebSocket: connect to each URL, subscribe, ask for the receipt, and close. The
// push is what the test makes once the receipt is reported.
const nodeScript = `
for (const url of process.argv.slice(1)) {
  await new Promise((resolve, reject) => {
    const ws = new WebSocket(url);
    ws.onopen = () => ws.send("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
    ws.onerror = e => reject(new Error(url + ": " + (e.message || "error")));
    ws.onclose = e => reject(new Error(url + " closed with " + e.code));
    ws.onmessage = async e => {
      const text = typeof e.data === "string" ? e.data : await e.data.text();
      if (text.startsWith("CONNECTED")) ws.send("SUBSCRIBE\nid:1\ndestination:/topic/shop/peer\nreceipt:1\n\n\0");
      else if (text.startsWith("RECEIPT")) ws.send("SEND\ndestination:/topic/shop/peer\n\n" + "x".repeat(5000) + "\0");
      else if (text.startsWith("MESSAGE") && text.endsWith("x".repeat(5000) + "\0")) { ws.onclose = e => e.code === 1000 ? resolve() : reject(new Error("" + e.code)); ws.close(1000); }
    };
  });
}
`

// TestTLSNode has Node's WebSocket as the peer, which is that of undici over OpenSSL.
func TestTLSNode(t *testing.T) {
	need(t, "node", "--experimental-websocket", "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)")
	inBoth(t, testTLSNode)
}

func testTLSNode(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	for _, version := range []string{"--tls-min-v1.3", "--tls-max-v1.2"} {
		ctx, cancel := context.WithTimeout(t.Context(), peerPatience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "node", "--experimental-websocket", version, "--input-type=module", "-e", nodeScript, "--", "wss://"+n.Addresses()[0].String()+"/ws")
		cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+anchor(t, n.shown(t, trust)))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
	n.gone(t)
}

// TestTLSJava has Java's own TLS as the peer, which announces its end with user_canceled. One process talks to both nodes: it
// takes its time to start.
func TestTLSJava(t *testing.T) {
	t.Parallel()
	need(t, "java", "--version")
	args := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "testdata/Peer.java"}
	for _, ours := range []bool{true, false} {
		n, trust, stop := startSecure(t, ours, func(*Options) {})
		defer stop()
		defer n.gone(t)
		url, file := "wss://"+n.Addresses()[0].String()+"/ws", anchor(t, n.shown(t, trust))
		args = append(args, file, "TLSv1.3", url, file, "TLSv1.2", url)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*peerPatience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTLSPassthrough has HAProxy and nginx in front of the node, which pass TLS through and say who the client is.
func TestTLSPassthrough(t *testing.T) {
	need(t, "haproxy", "-v")
	need(t, "nginx", "-v")
	need(t, "test", "-e", nginxModules+"/ngx_stream_module.so")
	inBoth(t, testTLSPassthrough)
}

func testTLSPassthrough(t *testing.T, ours bool) {
	path := filepath.Join(testkit.SocketDir(t), "node")
	n, trust, stop := startSecure(t, ours, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol tls", "unix:" + path + " proxy_protocol tls"}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	defer stop()
	tcp := n.Addresses()[0].String()
	for name, start := range map[string]func(*testing.T) string{
		"haproxy-tcp":  func(t *testing.T) string { return passHAProxy(t, tcp) },
		"haproxy-unix": func(t *testing.T) string { return passHAProxy(t, "unix@"+path) },
		"nginx-tcp": func(t *testing.T) string {
			return passNginx(t, proxy.Request{Nodes: []string{tcp}, Sources: []string{"127.0.0.1", "127.0.0.2"}})
		},
		"nginx-unix": func(t *testing.T) string { return passNginx(t, proxy.Request{Unix: path}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := dialTest(t, "tcp", start(t))
			address := c.conn.LocalAddr().String()
			n.session(t, c.over(trust), "/topic/shop/"+name)
			if got := n.sessionAddresses(t); len(got) != 1 || got[0] != address {
				t.Errorf("the sessions are from %v, not %s", got, address)
			}
			_ = c.conn.Close()
			n.gone(t)
		})
	}
}

const nginxModules = "/usr/lib/nginx/modules"

// passNginx starts nginx as proxy-config has it, and returns where it listens.
func passNginx(t *testing.T, r proxy.Request) string {
	t.Helper()
	me, err := account.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r.Kind, r.Connections, r.Passthrough, r.Workers = proxy.Nginx, 100, true, 1
	r.Listen, r.User, r.RunDir = testkit.FreePort(t), me.Username, dir
	var text bytes.Buffer
	if err := proxy.Write(&text, r); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := errors.Join(os.WriteFile(file, text.Bytes(), 0o600), os.Symlink(nginxModules, filepath.Join(dir, "modules"))); err != nil {
		t.Fatal(err)
	}
	runProxy(t, r.Listen, "nginx", "-p", dir, "-e", "stderr", "-c", file, "-g", "daemon off;")
	return r.Listen
}

// passHAProxy starts HAProxy in front of a server, and returns where it listens.
func passHAProxy(t *testing.T, server string) (address string) {
	t.Helper()
	address = testkit.FreePort(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("defaults\n mode tcp\n timeout connect 10s\n timeout client 1m\n timeout server 1m\nlisten clients\n bind %s\n server node %s send-proxy-v2\n", address, server)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, address, "haproxy", "-db", "-f", file)
	return address
}

// runProxy runs a proxy until the test ends, and returns when it listens.
func runProxy(t *testing.T, address, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // nginx's workers end with it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", program, &out)
		}
	})
	testkit.Eventually(t, peerPatience, func() string { return program + " accepts" }, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// TestTLSLastWords: what a client sent before it made a mistake, or ended its half, is still answered, and the node ends as
// TLS wants it: with an alert.
func TestTLSLastWords(t *testing.T) {
	inBoth(t, func(t *testing.T, ours bool) {
		n, trust, stop := startSecure(t, ours, func(*Options) {})
		defer stop()
		last := func() (c *testClient, below *held) {
			c = n.dial(t)
			below = &held{Conn: c.conn}
			c.conn = below
			c.over(trust)
			c.connect(t)
			below.holds = true
			c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "last")
			return c, below
		}
		c, below := last()
		_ = c.conn.(*tls.Conn).CloseWrite()
		below.release(t, nil)
		c.until(t, "receipt-id:last")
		if rest, err := io.ReadAll(c.conn); err != nil {
			t.Errorf("after close_notify: %q, %v", rest, err)
		}
		// crypto/tls does not tell an end without close_notify from one with it: it is the only record of this size.
		if !bytes.Contains(below.got, []byte("\x17\x03\x03\x00\x13")) {
			t.Error("the node's end is not close_notify")
		}
		if !ours {
			return // crypto/tls sends its alert as soon as it sees the mistake
		}
		c, below = last()
		below.release(t, []byte("\x17\x03\x03\x00\x20"+strings.Repeat("x", 32)))
		c.until(t, "receipt-id:last")
		if rest, err := io.ReadAll(c.conn); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("after a mistake: %q, %v", rest, err)
		}
	})
}

// held keeps what is written, and sends it at once. It knows what was read.
type held struct {
	net.Conn
	holds bool
	bytes []byte
	got   []byte
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.got = append(h.got, p[:n]...)
	return n, err
}

func (h *held) Write(p []byte) (int, error) {
	if !h.holds {
		return h.Conn.Write(p)
	}
	h.bytes = append(h.bytes, p...)
	return len(p), nil
}

func (h *held) release(t *testing.T, more []byte) {
	t.Helper()
	h.holds = false
	if _, err := h.Conn.Write(append(h.bytes, more...)); err != nil {
		t.Fatal(err)
	}
}

// SetWriteDeadline does nothing: crypto/tls sets one in the past behind close_notify.
func (h *held) SetWriteDeadline(time.Time) error { return nil }

// page has a session with each node whose URL is in its hash.
const page = `<!DOCTYPE html><script>
for (const url of location.hash.slice(1).split(",")) {
  const ws = new WebSocket(url);
  ws.onopen = () => ws.send("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
  ws.onmessage = e => {
    if (e.data.startsWith("CONNECTED")) ws.send("SUBSCRIBE\nid:1\ndestination:/topic/shop/peer\nreceipt:1\n\n\0");
    else if (e.data.startsWith("RECEIPT")) ws.send("SEND\ndestination:/topic/shop/peer\n\n" + "x".repeat(5000) + "\0");
    else if (e.data.endsWith("x".repeat(5000) + "\0")) ws.send("SEND\ndestination:/topic/shop/done\n\nthe page is done\0");
  };
}
</script>`

// TestTLSChromium has Chromium as the peer, which is BoringSSL. It trusts the certificates for their keys.
func TestTLSChromium(t *testing.T) {
	t.Parallel()
	need(t, "chromium", "--version")
	everyone, err := websocket.ParseOrigins([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	var (
		urls, keys []string
		watching   []*testClient
	)
	for _, ours := range []bool{true, false} {
		n, trust, stop := startSecure(t, ours, func(o *Options) { o.Endpoints[0].Origins = everyone })
		defer stop()
		key := sha256.Sum256(n.shown(t, trust).RawSubjectPublicKeyInfo)
		urls, keys = append(urls, "wss://"+n.Addresses()[0].String()+"/ws"), append(keys, base64.StdEncoding.EncodeToString(key[:]))
		c := n.dial(t)
		_ = c.conn.SetDeadline(time.Now().Add(peerPatience))
		c.over(trust).connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/done", "receipt", "1")
		c.until(t, "receipt-id:1")
		watching = append(watching, c)
	}
	dir := testkit.SocketDir(t) // what is left of the browser may still write there
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--ignore-certificate-errors-spki-list="+strings.Join(keys, ","), "--remote-debugging-port=0", "file://"+file+"#"+strings.Join(urls, ","))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has many processes
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", &out)
		}
	}()
	for _, c := range watching {
		c.until(t, "the page is done")
	}
}
