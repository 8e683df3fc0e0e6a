package tls13

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// talk sends data both ways.
func (e *established) talk(t *testing.T) {
	t.Helper()
	for _, n := range []int{1, 100, maxContent - 1, maxContent, maxContent + 1, 100_000} {
		data := random(n)
		for name, ends := range map[string][2]io.ReadWriter{"to the client": {e.server, e.client}, "to the server": {e.client, e.server}} {
			if _, err := ends[0].Write(data); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if _, err := io.ReadFull(ends[1], got); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes %s: error %v", n, name, err)
			}
		}
	}
}

func TestCryptoTLS(t *testing.T) {
	for _, id := range allSuites {
		t.Run(fmt.Sprintf("%#x", id), func(t *testing.T) {
			withSuite(t, id)
			conf := clientConf()
			for _, resumed := range []bool{false, true} {
				e := establish(t, serverWithTickets, conf)
				if e.state.CipherSuite != id || e.state.DidResume != resumed {
					t.Fatalf("%#x, resumed %v", e.state.CipherSuite, e.state.DidResume)
				}
				if e.server.out.number != 1 {
					t.Errorf("the first number is %d", e.server.out.number)
				}
				e.talk(t)
				// The client answers a request for a KeyUpdate by itself, and takes ours.
				for range 3 {
					e.server.sendUpdate(t, requested)
					e.talk(t)
				}
				// Ours come by themselves when a key is used often.
				e.server.layer.updateAfter = 10
				e.talk(t)
			}
		})
	}
}

var serverWithTickets = func() *tls.Config {
	c := &tls.Config{}
	c.SetSessionTicketKeys([][32]byte{{1}})
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { k := certificate(); return &k, nil }
	return c
}()

// sendUpdate sends a KeyUpdate.
func (c *taken) sendUpdate(t *testing.T, request byte) {
	t.Helper()
	aead, err := c.out.aead(c.suite())
	if err != nil {
		t.Fatal(err)
	}
	b := append(make([]byte, headerSize), typeKeyUpdate, 0, 0, 1, request)
	b = c.layer.seal(b, 0, c.Records, aead, typeHandshake)
	if _, err := c.Conn.Write(b); err != nil {
		t.Fatal(err)
	}
	c.out.update(c.suite())
	if aead, err = c.out.aead(c.suite()); err != nil {
		t.Fatal(err)
	}
	c.layer.renewed(c.Records, aead)
}

// The number of records that crypto/tls seals behind its Finished depends on the configuration and the client.
func TestTakeOverFlights(t *testing.T) {
	mutual := serverConf()
	mutual.ClientAuth = tls.RequireAnyClientCert
	withCertificate := clientConf()
	withCertificate.Certificates = []tls.Certificate{certificate()}
	noTickets := serverConf()
	noTickets.SessionTicketsDisabled = true
	retry := serverConf()
	retry.CurvePreferences = []tls.CurveID{tls.CurveP521}
	chain := serverConf()
	for range 100 { // a Certificate of several records
		chain.Certificates[0].Certificate = append(chain.Certificates[0].Certificate, certificate().Certificate[0])
	}
	for name, c := range map[string]struct {
		server, client *tls.Config
		number         uint64
	}{
		"plain":             {serverConf(), clientConf(), 1},
		"mutual":            {mutual, withCertificate, 1},
		"without tickets":   {noTickets, clientConf(), 0},
		"HelloRetryRequest": {retry, clientConf(), 1},
		"long chain":        {chain, clientConf(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := establish(t, c.server, c.client)
			if e.server.out.number != c.number || e.server.in.number != 0 {
				t.Errorf("the next numbers are %d and %d", e.server.out.number, e.server.in.number)
			}
			e.talk(t)
		})
	}
}

// What the client sends with its Finished stays for the loop.
func TestTakeOverLeavesData(t *testing.T) {
	a, b := inMemory()
	client := tls.Client(b, clientConf())
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write([]byte("early"))
		sent <- err
	}()
	// All that the client sends at the end comes at once.
	r, _, err := takeOver(slow{a, sent}, serverConf())
	if err != nil {
		t.Fatal(err)
	}
	c := &taken{Conn: a, layer: NewLayer(0), Records: r}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "early" {
		t.Errorf("%q, %v", got, err)
	}
}

// slow reads the client's last flight only once the client has sent data behind it.
type slow struct {
	end
	sent chan error
}

func (s slow) Write(p []byte) (int, error) {
	n, err := s.end.Write(p)
	if err == nil && bytes.HasPrefix(p, []byte{22}) { // the flight with the server's Finished
		err = <-s.sent
	}
	return n, err
}

func TestCryptoTLSEnds(t *testing.T) {
	t.Run("by the server", func(t *testing.T) {
		e := establish(t, serverConf(), clientConf())
		_, _ = e.server.Write([]byte("last"))
		e.server.alert(CloseNotify)
		if got, err := io.ReadAll(e.client); err != nil || string(got) != "last" {
			t.Errorf("%q, %v", got, err)
		}
		// The client may still send.
		_, _ = e.client.Write([]byte("more"))
		_ = e.client.Close()
		if got, err := io.ReadAll(e.server); err != ErrCloseNotify || string(got) != "more" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("by the client", func(t *testing.T) {
		e := establish(t, serverConf(), clientConf())
		_, _ = e.client.Write([]byte("last"))
		_ = e.client.CloseWrite()
		if got, err := io.ReadAll(e.server); err != ErrCloseNotify || string(got) != "last" {
			t.Errorf("%q, %v", got, err)
		}
		_, _ = e.server.Write([]byte("answer"))
		got := make([]byte, 6)
		if _, err := io.ReadFull(e.client, got); err != nil || string(got) != "answer" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("without close_notify", func(t *testing.T) {
		e := establish(t, serverConf(), clientConf())
		_ = e.wire.Close()
		if _, err := io.ReadAll(e.server); err != nil {
			t.Error(err)
		}
	})
	// crypto/tls names the alert that it got.
	for a, want := range map[Alert]string{BadRecordMAC: "bad record MAC", UnexpectedMessage: "unexpected message", RecordOverflow: "record overflow", IllegalParameter: "illegal parameter", DecodeError: "error decoding message", ProtocolVersion: "protocol version not supported", InternalError: "internal error"} {
		e := establish(t, serverConf(), clientConf())
		e.server.alert(a)
		if _, err := io.ReadAll(e.client); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", a, err)
		}
	}
	// The server gets the alert that crypto/tls sends.
	e := establish(t, serverConf(), clientConf())
	_, _ = e.server.Conn.Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)))
	_, _ = io.ReadAll(e.client)
	var remote RemoteAlert
	if _, err := io.ReadAll(e.server); !errors.As(err, &remote) || Alert(remote) != BadRecordMAC {
		t.Error(err)
	}
}
