//go:build attacks

package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sys/unix"

	"stentor/engine/deflate"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// A hostile is the tenant that attacks: what it has to do with, and what it found. Its addresses are 127.0.0.2 and up;
// the victim has 127.0.0.1. Methods may be called from any goroutine.
type hostile struct {
	attackerArgument
	http   *http.Client
	sockJS bool // its clients use SockJS
	packs  bool // they may compress

	mu     sync.Mutex
	counts map[string]int64
	open   []net.Conn
}

type attackerArgument struct{ Attack, Client, Proxied, API, Broker string }

// report is what the attacker counted.
type report map[string]int64

func playAttacker(s *stage, argument []byte) (any, error) {
	h := &hostile{counts: map[string]int64{}}
	if err := json.Unmarshal(argument, &h.attackerArgument); err != nil {
		return nil, err
	}
	h.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, DialContext: func(context.Context, string, string) (net.Conn, error) { return h.dialTo(h.API[len("http://"):]) },
	}}
	a := find(h.Attack)
	if a == nil {
		return nil, fmt.Errorf("there is no attack %q", h.Attack)
	}
	work, err := a.prepare(h)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare %s: %w", a.name, err)
	}
	ctx, err := s.begin()
	if err != nil {
		return nil, err
	}
	// A write to a node that does not read ends with the attack.
	defer context.AfterFunc(ctx, h.expire)()
	if work == nil {
		<-ctx.Done()
	} else {
		work(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return report(maps.Clone(h.counts)), nil // readers of connections may still count
}

// expire ends all reads and writes.
func (h *hostile) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.open {
		_ = c.SetDeadline(time.Unix(1, 0))
	}
}

// count adds to a number of the report.
func (h *hostile) count(what string, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[what] += n
}

// counted is a number of the report.
func (h *hostile) counted(what string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[what]
}

// met counts an error by its text, without the ports and paths that differ each time; for the report only.
func (h *hostile) met(err error) {
	if err == nil || errors.Is(err, errDone) {
		return
	}
	if request := (*url.Error)(nil); errors.As(err, &request) {
		err = request.Err
	}
	text := err.Error()
	if network := (*net.OpError)(nil); errors.As(err, &network) {
		text = network.Op + ": " + network.Err.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		text = "deadline"
	}
	h.count("error: "+text[:min(len(text), 300)], 1)
}

// sources are the attacker's addresses.
const sources = 8

var nextSource atomic.Uint32

// dial opens a bare connection to the clients' port, from the next of the attacker's addresses.
func (h *hostile) dial() (*net.TCPConn, error) { return h.dialTo(h.Client) }

func (h *hostile) dialTo(address string) (*net.TCPConn, error) {
	return h.dialFrom(net.IPv4(127, 0, 0, byte(2+nextSource.Add(1)%sources)), address)
}

func (h *hostile) dialFrom(source net.IP, address string) (*net.TCPConn, error) {
	d := net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: -1,
		LocalAddr: &net.TCPAddr{IP: source},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				// One address has 28,000 ports for each destination, not for all.
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			}), err)
		},
	}
	c, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.open = append(h.open, c)
	h.mu.Unlock()
	return c.(*net.TCPConn), nil
}

// A wire is a raw STOMP client: it sends what it is told to, right or wrong. One goroutine may send while another reads.
type wire struct {
	*net.TCPConn
	session string
	sockJS  bool
	packs   bool

	mask    byte
	out     []byte
	reader  websocket.ClientReader
	decoder stomp.Decoder
	raw     []byte
	buffer  []byte
	message []byte
}

// handshake opens a WebSocket.
func (h *hostile) handshake() (*wire, error) {
	c, err := h.dial()
	if err != nil {
		return nil, err
	}
	w := &wire{TCPConn: c, sockJS: h.sockJS, packs: h.packs, buffer: make([]byte, 4<<10)}
	if err := w.upgrade(); err != nil {
		c.Close()
		return nil, err
	}
	return w, nil
}

func (w *wire) upgrade(header ...string) error {
	key, path := websocket.NewKey(), "/ws"
	if w.sockJS {
		path = sockJSPath
	}
	if w.packs {
		header = append(header, websocket.OfferCompression)
		w.reader.Unpack()
	}
	if _, err := w.Write(websocket.AppendRequest(nil, "stentor.test", path, key, header...)); err != nil {
		return err
	}
	for {
		n, packed, err := websocket.ParsePackedAnswer(w.raw, key)
		if err == nil && n > 0 && packed != w.packs {
			err = fmt.Errorf("compression was agreed on: %t", packed)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			w.raw = w.raw[n:]
			return nil
		}
		if err := w.more(); err != nil {
			return err
		}
	}
}

// join is a client with a session, of this user; "" for nobody.
func (h *hostile) join(user string) (*wire, error) {
	w, err := h.handshake()
	if err != nil {
		return nil, err
	}
	headers := []string{"accept-version", "1.2", "projectId", "hostile"}
	if user != "" {
		headers = append(headers, "token", token(user, hostileSecret))
	}
	if err := w.send(stomp.Connect, nil, headers...); err != nil {
		return nil, err
	}
	f, err := w.next()
	if err != nil {
		return nil, err
	}
	if f.command != stomp.Connected {
		return nil, fmt.Errorf("instead of CONNECTED: %v", f)
	}
	w.session = f.headers["session"]
	return w, nil
}

// joinAll is n clients, of the users that user names.
func (h *hostile) joinAll(n int, user func(i int) string) ([]*wire, error) {
	all := make([]*wire, n)
	return all, together(n, func(i int) (err error) {
		name := ""
		if user != nil {
			name = user(i)
		}
		all[i], err = h.join(name)
		return err
	})
}

// together does n things, some at a time.
func together(n int, f func(i int) error) error {
	var (
		next  atomic.Int64
		group sync.WaitGroup
		mu    sync.Mutex
		bad   error
	)
	for range min(n, 16) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					mu.Lock()
					bad = err
					mu.Unlock()
					return
				}
			}
		})
	}
	group.Wait()
	return bad
}

// token is a JWT of a hostile user.
func token(user, secret string) string {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()})
	t.Header["kid"] = "a"
	signed, err := t.SignedString([]byte(secret))
	if err != nil {
		panic(err) // only for a bad key
	}
	return signed
}

// frame appends a STOMP frame; header has names and values in turn.
func frame(dst []byte, c stomp.Command, body []byte, header ...string) []byte {
	f := stomp.Frame{Command: c, Body: body}
	for i := 0; i+1 < len(header); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(header[i]), Value: []byte(header[i+1])})
	}
	return stomp.AppendFrame(dst, stomp.V12, &f)
}

// put sends one WebSocket message.
func (w *wire) put(op ws.OpCode, text []byte) error {
	w.mask++
	w.out = websocket.AppendMasked(w.out[:0], op, [4]byte{w.mask, 2, 3, 4}, text)
	_, err := w.Write(w.out)
	return err
}

func (w *wire) send(c stomp.Command, body []byte, header ...string) error {
	text := frame(nil, c, body, header...)
	if w.sockJS {
		text = sockjs.AppendMessage(nil, text)[1:]
	}
	return w.put(ws.OpText, text)
}

// got is a frame from the node.
type got struct {
	command stomp.Command
	headers map[string]string
	body    []byte
}

func (g *got) String() string {
	return fmt.Sprintf("%s %s %.100q %q", g.command, g.headers["message"], g.body, g.headers)
}

// closed is a close frame.
type closed struct {
	code   int
	reason string
}

func (c *closed) Error() string { return fmt.Sprintf("closed with %d %q", c.code, c.reason) }

func (w *wire) more() error {
	n, err := w.Read(w.buffer)
	w.raw = append(w.raw[:len(w.raw):len(w.raw)], w.buffer[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// next waits for a frame. A close is an error.
func (w *wire) next() (*got, error) {
	for {
		ev, n, err := w.reader.Next(w.raw, 64<<20)
		if err != nil {
			return nil, err
		}
		w.raw = w.raw[n:]
		switch ev.Kind {
		case websocket.Close:
			return nil, &closed{int(ev.Code), string(ev.Reason)}
		case websocket.Data:
			if w.message = append(w.message, ev.Payload...); ev.Final {
				whole := w.message
				w.message = nil
				if ev.Packed {
					if whole, err = new(deflate.Inflater).Inflate(nil, whole, 64<<20); err != nil {
						return nil, err
					}
				}
				if w.sockJS {
					if whole, err = unwrapped(whole); err != nil {
						return nil, err
					}
				}
				if g, err := w.parse(whole); g != nil || err != nil {
					return g, err
				}
			}
		}
		if n == 0 {
			if err := w.more(); err != nil {
				return nil, err
			}
		}
	}
}

// parse reads one message, nil for a heart-beat.
func (w *wire) parse(whole []byte) (*got, error) {
	var f stomp.Frame
	var progress stomp.Progress
	if _, err := w.decoder.Decode(whole, stomp.V12, &stomp.Limits{}, &progress, &f); err != nil {
		return nil, err
	}
	if f.Command == stomp.None {
		return nil, nil
	}
	g := &got{command: f.Command, headers: map[string]string{}, body: bytes.Clone(f.Body)}
	for _, h := range f.Headers {
		if _, twice := g.headers[string(h.Name)]; !twice {
			g.headers[string(h.Name)] = string(h.Value)
		}
	}
	return g, nil
}

// receipt waits for the RECEIPT with this id, past everything else.
func (w *wire) receipt(id string) (*got, error) {
	for {
		g, err := w.next()
		if err != nil {
			return nil, err
		}
		if g.command == stomp.ErrorCommand {
			return nil, fmt.Errorf("an ERROR: %v", g)
		}
		if g.command == stomp.Receipt && g.headers["receipt-id"] == id {
			return g, nil
		}
	}
}

// subscribe subscribes and waits for the receipt.
func (w *wire) subscribe(id, destination string, header ...string) (*got, error) {
	err := w.send(stomp.Subscribe, nil, append([]string{"id", id, "destination", destination, "receipt", "r" + id}, header...)...)
	if err != nil {
		return nil, err
	}
	return w.receipt("r" + id)
}

// drain reads and forgets all that comes, until the connection ends.
func (h *hostile) drain(w *wire) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.Read(buffer)
		h.count("bytes read", int64(n))
		if at := bytes.Index(buffer[:n], []byte("ERROR\n")); at >= 0 {
			h.count(fmt.Sprintf("%.100q", buffer[at:n]), 1)
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				h.count("ended", 1)
			}
			return
		}
	}
}

// request sends a request to the API as the hostile tenant, and returns the answer's status and body.
func (h *hostile) request(method, path, body string) (int, []byte, error) {
	return h.requestAs("hostile-key", method, path, body)
}

// requestAs is request with somebody else's key.
func (h *hostile) requestAs(key, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, h.API+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := h.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, err
}

// push pushes until it is accepted. It returns the position.
func (h *hostile) push(text string) (string, error) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, text, err := h.request("POST", "/v1/projects/hostile/push", text)
		if err != nil {
			return "", err
		}
		var answer struct{ Position string }
		if status == http.StatusOK {
			return answer.Position, json.Unmarshal(text, &answer)
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("push: %d %s", status, text)
		}
	}
}

// fill pushes n messages in batches, each made by write. Those refused for a full node come again.
func (h *hostile) fill(n, batch int, write func(b *bytes.Buffer, i int)) error {
	for first := 0; first < n; first += batch {
		var b bytes.Buffer
		b.WriteByte('[')
		for i := first; i < min(n, first+batch); i++ {
			if i > first {
				b.WriteByte(',')
			}
			write(&b, i)
		}
		b.WriteByte(']')
		if err := h.batch(b.String()); err != nil {
			return err
		}
	}
	return nil
}

func (h *hostile) batch(text string) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		status, answer, err := h.request("POST", "/v1/projects/hostile/push/batch", text)
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("batch: %d %.300s", status, answer)
		}
	}
}

// pace calls f at a rate a second in a number of goroutines together, until ctx ends or f returns errDone. Other errors are
// counted: the node may refuse, but the attack goes on.
func (h *hostile) pace(ctx context.Context, goroutines int, rate float64, f func(worker, i int) error) {
	var all sync.WaitGroup
	for worker := range goroutines {
		all.Go(func() {
			start := time.Now()
			for i := 0; ctx.Err() == nil; i++ {
				due := start.Add(time.Duration((float64(i) + float64(worker)/float64(goroutines)) * float64(goroutines) / rate * float64(time.Second)))
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Until(due)):
				}
				switch err := f(worker, i); {
				case err == nil:
					h.count("done", 1)
				case errors.Is(err, errDone):
					return
				default:
					h.met(err)
				}
			}
		})
	}
	all.Wait()
}

// errDone ends a worker of pace.
var errDone = errors.New("done")

// insist does up to n more things when the time is over and the report does not have this refusal yet: a slow machine
// reaches a limit later than others, but reaches it.
func (h *hostile) insist(refusal string, n int, f func(i int) error) {
	_ = together(n, func(i int) error {
		if h.counted(refusal) > 0 {
			return errDone
		}
		h.met(f(i))
		return nil
	})
	for end := time.Now().Add(20 * time.Second); h.counted(refusal) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// spare keeps the connections that are open now when the time is over: what comes on them is waited for, however late.
func (h *hostile) spare() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = nil
}
