package load

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/bench/internal/fake"
)

// The ways to reach a server and to push to it, each with every check on.

func TestPushByTemplates(t *testing.T) {
	at := node(t)
	api, key := strings.TrimPrefix(at[1], "--api="), strings.TrimPrefix(at[2], "--api-key=")
	r := runs(t, "broadcast", append(at[:1:1], at[4], "--connections=100", "--rate=20", "--duration=500ms", "--open-rate=0", "--project=bench",
		"--api=http://127.0.0.1:1", "--push-url="+api+"/v1/projects/{{.Project}}/push", "--push-header=Authorization=Bearer "+key,
		`--push-body={"topic":"{{.Destination}}","payload":{{.Payload}}}`,
		"--connect-header=projectId={{.Project}}", "--connect-header=token={{.Token}}", "--user=u{{.Number}}")...)
	if all := r.Total(); !r.Verdict.Good || all.Delivered != 1000 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
	if last := r.Series[len(r.Series)-1]; last.Server != nil {
		t.Errorf("nobody said where the server's metrics are, and they are said to be %+v", *last.Server)
	}
}

func TestSecureAndSeveralServers(t *testing.T) {
	s, ca, err := fake.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(s.API("key"))
	defer api.Close()
	at := []string{"--url=wss://" + s.Address().String() + "/ws", "--api=" + api.URL, "--api-key=key", "--metrics=none", "--open-rate=0", "--connections=60",
		"--rate=20", "--duration=900ms", "--hold=100ms", "--source=127.0.0.5-127.0.0.7"}
	r := runs(t, "reconnect", append(at, "--ca="+file)...)
	if all := r.Total(); !r.Verdict.Good || all.Delivered < 600 || all.Resumed != 60 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
	if r := runs(t, "connect", append(at, "--insecure")...); !r.Verdict.Good {
		t.Errorf("%v", r.Verdict.Problems)
	}
	if _, err := Run(bounded(t), parse(t, "connect", at...), Output{}); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a certificate of nobody is trusted: %v", err)
	}
}

// A server without receipts and resume, as Spring's simple broker.
func TestWithoutReceipts(t *testing.T) {
	at := node(t)
	r := runs(t, "churn", append(at, "--receipts=false", "--resume=false", "--connections=100", "--rate=20", "--duration=1s", "--churn-rate=30", "--subscribe=topic")...)
	if all := r.Total(); !r.Verdict.Good || all.Delivered < 1400 || all.Resumed != 0 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
}

func TestBareWebSocket(t *testing.T) {
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	api := httptest.NewServer(s.API("key"))
	defer api.Close()
	r := runs(t, "broadcast", "--protocol=websocket", "--url=ws://"+s.Address().String()+"/ws", "--api="+api.URL, "--api-key=key", "--metrics=none",
		"--open-rate=0", "--connections=60", "--rate=20", "--duration=500ms")
	if all := r.Total(); !r.Verdict.Good || all.Delivered != 600 {
		t.Errorf("%+v %v", all, r.Verdict.Problems)
	}
}

// A server that goes away in the middle, and comes back nowhere, is no success.
func TestServerDies(t *testing.T) {
	s, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(s.API("key"))
	defer api.Close()
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		for s.Pushes() == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Close()
	}()
	r, err := Run(bounded(t), parse(t, "broadcast", "--url=ws://"+s.Address().String()+"/ws", "--api="+api.URL, "--api-key=key", "--metrics=none",
		"--open-rate=0", "--connections=20", "--rate=20", "--duration=500ms", "--settle=100ms", "--open-timeout=1s"), Output{})
	<-dead
	if err != nil || r.Verdict.Good || !strings.Contains(fmt.Sprint(r.Verdict.Problems), "not open at the end") {
		t.Errorf("%v, %+v", err, r.Verdict)
	}
}
