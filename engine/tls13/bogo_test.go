package tls13

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BoGo is the test suite of BoringSSL's TLS: a peer that makes every mistake, and starts this test binary as the shim
// that it talks to. The shim makes the handshake with crypto/tls and takes the connection over.

// unimplemented is the exit code of a shim that does not know a flag.
const unimplemented = 89

// cases are those of BoGo's cases that are about records, alerts and KeyUpdate. In most of them the shim is the client.
var cases = []string{
	"Alert", "FragmentAlert", "DoubleAlert", "SendEmptyRecords*", "SendWarningAlerts*", "SendUserCanceled*", "SendBogusAlertType", "SendInvalidRecordType",
	"SendPostHandshakeChangeCipherSpec*", "TooManyKeyUpdates", "KeyUpdate*", "Unclean*", "Shutdown*", "Large*", "*BadRecord", "*RecordPadding*",
	"*EmptyRecords*", "*OnlyPadding*", "*WrongOuterRecord*", "AppDataBefore*", "Basic-*-TLS-Sync*", "Resume-Server-TLS13-TLS13-TLS", "LooseInitialRecordVersion-TLS13",
	"PackedEncryptedHandshake*", "Renegotiate*TLS13", "TrailingMessageData-TLS13*", "TLS-TLS13-*",
}

// TestBoGo runs these cases. It is asked for by the environment variable BOGO, the folder ssl/test/runner of BoringSSL's
// sources, which is compiled (half a minute).
func TestBoGo(t *testing.T) {
	runner := os.Getenv("BOGO")
	if runner == "" {
		t.Skip("BOGO does not name BoringSSL's folder ssl/test/runner")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs("testdata/bogo.json")
	if err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(t.TempDir(), "results.json")
	cmd := exec.Command("go", "test", ".", "-shim-path="+self, "-shim-config="+config, "-allow-unimplemented", "-loose-errors", "-num-workers=2", "-test="+strings.Join(cases, ";"), "-json-output="+results)
	cmd.Dir = runner
	cmd.Env = append(os.Environ(), "BOGO_SHIM=1")
	out, _ := cmd.CombinedOutput() // the results say what failed
	text, err := os.ReadFile(results)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct {
		Tests map[string]struct{ Actual, Expected, Error string }
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	passed, skipped := 0, 0
	for name, c := range report.Tests {
		switch c.Actual {
		case "PASS":
			passed++
			t.Logf("passed: %s", name)
		case "SKIP":
			skipped++
			t.Logf("skipped: %s", name)
		default:
			t.Errorf("%s: %s %s", name, c.Actual, c.Error)
		}
	}
	t.Logf("%d of %d cases passed; %d were skipped: they are for another protocol, or ask for what the shim cannot do", passed, len(report.Tests), skipped)
	if passed < 30 {
		t.Errorf("only %d cases passed", passed)
	}
}

var errHandshake = errors.New("no handshake")

// shimFlags are the flags that the shim obeys.
type shimFlags struct {
	port, resumptions int
	id                uint64
	server, ipv6      bool
	key, certificate  string
	writesFirst       bool
	least, most       int
	noTLS13           bool
	clientCertificate bool
	shutsDown         bool
	clean             bool
	keyUpdate         bool
}

// bogoShim is the shim's main function.
func bogoShim() int {
	var f shimFlags
	flags := flag.NewFlagSet("shim", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&f.port, "port", 0, "")
	flags.IntVar(&f.resumptions, "resume-count", 0, "")
	flags.Uint64Var(&f.id, "shim-id", 0, "")
	flags.BoolVar(&f.server, "server", false, "")
	flags.BoolVar(&f.ipv6, "ipv6", false, "")
	flags.StringVar(&f.key, "key-file", "", "")
	flags.StringVar(&f.certificate, "cert-file", "", "")
	flags.BoolVar(&f.writesFirst, "shim-writes-first", false, "")
	flags.IntVar(&f.least, "min-version", 0, "")
	flags.IntVar(&f.most, "max-version", 0, "")
	flags.BoolVar(&f.noTLS13, "no-tls13", false, "")
	flags.BoolVar(&f.clientCertificate, "require-any-client-certificate", false, "")
	flags.BoolVar(&f.shutsDown, "shim-shuts-down", false, "")
	flags.BoolVar(&f.keyUpdate, "key-update", false, "")
	flags.BoolVar(&f.clean, "check-close-notify", false, "")
	flags.String("trust-cert", "", "")
	supported := flags.Bool("is-handshaker-supported", false, "")
	for _, passed := range []string{"no-tls1", "no-tls11", "no-tls12", "no-legacy-server-connect"} {
		flags.Bool(passed, false, "")
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		return unimplemented
	}
	if *supported {
		fmt.Println("No")
		return 0
	}
	if f.noTLS13 || f.most != 0 && f.most < tls.VersionTLS13 {
		return unimplemented
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	if f.certificate != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
		if err != nil {
			return unimplemented
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if f.clientCertificate {
		conf.ClientAuth = tls.RequireAnyClientCert
	}
	conf.SetSessionTicketKeys([][32]byte{{1}})
	for range f.resumptions + 1 {
		if err := f.serve(conf); errors.Is(err, errHandshake) {
			return unimplemented // it is crypto/tls that decided
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// serve connects to the runner, which is the client of the handshake, and sends back what comes, inverted.
func (f *shimFlags) serve(conf *tls.Config) error {
	host := "127.0.0.1"
	if f.ipv6 {
		host = "::1"
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(f.port)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(binary.LittleEndian.AppendUint64(nil, f.id)); err != nil {
		return err
	}
	begin := takeOver
	if !f.server {
		begin = takeOverClient
	}
	r, _, err := begin(conn, conf)
	if err != nil {
		orderly(conn)
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	c := &taken{Conn: conn, layer: NewLayer(CipherBytes), Records: r}
	if !f.server {
		if err := c.skipTickets(); err != nil {
			return fmt.Errorf("%w: %w", errHandshake, err)
		}
	}
	if f.writesFirst {
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
	}
	if f.keyUpdate {
		c.Records.state |= owing // the next data has a KeyUpdate in front of it
	}
	if f.shutsDown {
		c.alert(CloseNotify)
	}
	buf := make([]byte, 500)
	for {
		n, err := c.Read(buf)
		for i := range buf[:n] {
			buf[i] ^= 0xff
		}
		if err == nil && !f.shutsDown {
			_, err = c.Write(buf[:n])
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrCloseNotify):
			c.alert(CloseNotify)
			return nil
		case errors.Is(err, io.EOF) && !f.clean:
			return nil
		}
		orderly(conn)
		return err
	}
}

// takeOverClient is takeOver with the roles exchanged: most of BoGo's cases for records have the shim as the client.
func takeOverClient(c net.Conn, conf *tls.Config) (*Records, tls.ConnectionState, error) {
	var secrets Secrets
	conf = conf.Clone()
	conf.KeyLogWriter = &secrets
	s := &shim{Conn: c, secrets: &secrets}
	client := tls.Client(s, conf)
	if err := client.HandshakeContext(context.Background()); err != nil {
		return nil, tls.ConnectionState{}, err
	}
	s.dead = true
	state := client.ConnectionState()
	secrets.client, secrets.server = secrets.server, secrets.client
	r := new(Records)
	return r, state, secrets.TakeOver(r, state.CipherSuite, nil)
}

// skipTickets passes over the tickets that the runner's server begins with, which a server never gets.
func (c *taken) skipTickets() error {
	room := make([]byte, 1<<16)
	for {
		n, err := c.Conn.Read(room)
		if err != nil {
			c.err = err
			return nil
		}
		c.arrived = append(c.arrived, room[:n]...)
		for {
			size, err := sizeOf(c.arrived)
			if err != nil {
				return nil
			}
			if size == 0 || size > len(c.arrived) {
				break
			}
			aead, err := c.in.aead(c.suite())
			if err != nil {
				return err
			}
			number := c.in.number
			content, kind, err := c.layer.open(c.Records, aead, bytes.Clone(c.arrived[:size]))
			if err != nil || kind != typeHandshake || len(content) == 0 || content[0] != 4 {
				c.in.number = number
				return nil
			}
			c.arrived = c.arrived[size:]
		}
	}
}

// orderly ends the connection such that the runner reads the alert before its own writes fail.
func orderly(c net.Conn) {
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}
