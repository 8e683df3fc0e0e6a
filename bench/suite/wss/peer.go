package wss

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"stentor/engine/testkit/certificate"
)

// Role is what another process of a measurement does.
type Role string

// The roles.
const (
	Blocking  Role = "blocking"  // makes the handshakes of crypto/tls; the argument is the file of a certificate
	Strangers Role = "strangers" // makes and stalls handshakes; the argument is a visit
	Burner    Role = "burner"    // burns so many cores
)

// Peer plays a role until in ends. It prints an address, as package baseline wants it, when it has begun.
func Peer(role Role, argument string, in io.Reader, out io.Writer) error {
	var address string
	var err error
	switch role {
	case Blocking:
		address, err = serveBlocking(argument)
	case Strangers:
		address, err = visitAll(argument)
	case Burner:
		address, err = burn(argument)
	default:
		return fmt.Errorf("found the role %q, allowed: %s, %s, %s", role, Blocking, Strangers, Burner)
	}
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(map[string]string{"address": address}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// serveBlocking makes a handshake on each connection, in a goroutine of its own, and then waits for its end.
func serveBlocking(file string) (address string, err error) {
	pair, err := tls.LoadX509KeyPair(file, file+".key")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if tls.Server(c, conf).Handshake() == nil {
					_, _ = c.Read(make([]byte, 1))
				}
			}()
		}
	}()
	return l.Addr().String(), nil
}

// period is how finely a burner's work and rest alternate.
const period = 5 * time.Millisecond

// burn burns so many cores, on as many threads as that takes.
func burn(argument string) (address string, err error) {
	var cores float64
	if err := json.Unmarshal([]byte(argument), &cores); err != nil {
		return "", err
	}
	for ; cores > 0; cores-- {
		work := time.Duration(min(1, cores) * float64(period))
		go func() {
			for {
				start := time.Now()
				for time.Since(start) < work {
				}
				time.Sleep(period - work)
			}
		}()
	}
	return "127.0.0.1:1", nil
}

// visit is what strangers do.
type visit struct {
	Address     string
	Certificate string        // the file that they trust
	Rate        int           // handshakes a second
	Stalled     int           // handshakes that do not go on behind the ClientHello
	Within      time.Duration // those begin, one by one
}

// visitAll begins a visit, and returns when all that stall do so.
func visitAll(argument string) (address string, err error) {
	var v visit
	if err := json.Unmarshal([]byte(argument), &v); err != nil {
		return "", err
	}
	conf, err := trusting(v.Certificate)
	if err != nil {
		return "", err
	}
	hello, err := certificate.ClientHello(conf)
	if err != nil {
		return "", err
	}
	var begun sync.WaitGroup
	errs := make(chan error, v.Stalled)
	for i := range v.Stalled {
		begun.Add(1)
		go func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			// The node closes each after the same time, and it comes again at once. Had all begun together they would come in
			// waves for ever, and what clients feel would be those.
			time.Sleep(v.Within * time.Duration(i) / time.Duration(v.Stalled))
			for {
				err := stall(i, v.Address, hello, once)
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	begun.Wait()
	select {
	case err := <-errs:
		return "", err
	default:
	}
	go func() {
		for i := range time.Tick(time.Second / time.Duration(v.Rate)) {
			go shake(int(i.UnixNano()), v.Address, conf)
		}
	}()
	return v.Address, nil
}

// from is an address of loopback, one of a hundred: a node lets no address have most of its handshakes.
func from(i int) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+uint(i)%100))} }

// stall sends a ClientHello, and nothing more until the node closes.
func stall(i int, address string, hello []byte, begun func()) error {
	d := net.Dialer{LocalAddr: from(i)}
	c, err := d.Dial("tcp4", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(hello); err != nil {
		return nil // it was closed before
	}
	begun()
	_, _ = io.Copy(io.Discard, c)
	return nil
}

// shake makes a handshake, and leaves when the node has its end too: a client that is gone before that made none.
func shake(i int, address string, conf *tls.Config) {
	d := net.Dialer{LocalAddr: from(i)}
	c, err := d.Dial("tcp4", address)
	if err != nil {
		return
	}
	defer c.Close()
	secure := tls.Client(c, conf)
	if secure.Handshake() == nil && secure.CloseWrite() == nil {
		_, _ = secure.Read(make([]byte, 1))
	}
}
