package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// withoutHeader is a listener whose connections begin with a header of the PROXY protocol, version 2, which it skips.
type withoutHeader struct{ net.Listener }

func (l withoutHeader) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &skipping{Conn: c}, nil
}

type skipping struct {
	net.Conn
	skipped bool
}

func (s *skipping) Read(p []byte) (int, error) {
	if !s.skipped {
		s.skipped = true
		var head [16]byte
		if _, err := io.ReadFull(s.Conn, head[:]); err != nil {
			return 0, err
		}
		if _, err := io.CopyN(io.Discard, s.Conn, int64(binary.BigEndian.Uint16(head[14:]))); err != nil {
			return 0, err
		}
	}
	return s.Conn.Read(p)
}

// TestSockJSStays: all requests of a session of SockJS come to one node, those of many sessions to both, and what is no
// session's is served as well.
func TestSockJSStays(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Kind{Nginx, HAProxy} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var nodes []string
			for i := range 2 {
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i) }))
				if kind == HAProxy {
					s.Listener = withoutHeader{s.Listener}
				}
				s.Start()
				t.Cleanup(s.Close)
				nodes = append(nodes, s.Listener.Addr().String())
			}
			dir := t.TempDir()
			r := Request{Kind: kind, Connections: 100, Nodes: nodes, Path: "/front/ws", SockJS: true, RunDir: dir, User: me.Username, Listen: free(t), Workers: 1}
			var text bytes.Buffer
			if err := Write(&text, r); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "configuration")
			if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"haproxy", "-db", "-f", file}
			if kind == Nginx {
				modules(t, dir)
				args = []string{"nginx", "-p", dir, "-e", filepath.Join(dir, "errors"), "-g", "daemon off;", "-c", file}
			}
			var said bytes.Buffer
			proxy := exec.Command(args[0], args[1:]...)
			proxy.Stdout, proxy.Stderr = &said, &said
			if err := proxy.Start(); err != nil {
				t.Fatalf("%v (make tuning-deps installs it)", err)
			}
			t.Cleanup(func() {
				_ = proxy.Process.Signal(syscall.SIGTERM) // nginx's workers end with it; os.Interrupt is ignored by what a script runs beside itself
				_ = proxy.Wait()
			})
			client := &http.Client{Timeout: 20 * time.Second}
			get := func(path string) (string, int) {
				resp, err := client.Get("http://" + r.Listen + path)
				if err != nil {
					return err.Error(), 0
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				return string(body), resp.StatusCode
			}
			for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				answer, status := get("/front/ws/info")
				if status == http.StatusOK {
					break
				}
				if time.Since(begin) > 30*time.Second {
					t.Fatalf("it does not serve: %s\n%s", answer, said.String())
				}
			}
			for path, want := range map[string]int{"/front/ws": 200, "/front/ws/": 200, "/front/wss": 404, "/front": 404, "/": 404} {
				if answer, status := get(path); status != want {
					t.Errorf("%s: %d %s", path, status, answer)
				}
			}
			used := map[string]bool{}
			for i := range 40 {
				session := fmt.Sprint("session", i*7919)
				first, _ := get("/front/ws/000/" + session + "/xhr")
				used[first] = true
				for _, other := range []string{"/front/ws/000/" + session + "/xhr_send", "/front/ws/000/" + session + "/xhr?t=1"} {
					if got, status := get(other); got != first || status != 200 {
						t.Errorf("%s: %d, from node %q, but the session is at %q", other, status, got, first)
					}
				}
			}
			if len(used) != 2 {
				t.Errorf("40 sessions are at %v", used)
			}
		})
	}
}
