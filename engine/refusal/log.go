package refusal

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"stentor/engine/address"
)

// Record is one refusal, as far as it is known. Its strings may point into a read buffer: what is kept is copied. It must
// not contain tokens, keys, queries or bodies.
type Record struct {
	Reason  Reason
	Code    int    // what the client was told when it is not the reason's own
	Project string // one that the node serves, else "": each has its own rate of lines
	User    string // proven by a token
	Address netip.AddrPort
	Subject string // what was refused: a path, an origin, a destination
	Text    string // what the client was told
}

// Log counts refusals and writes lines of them. Any goroutine may call its methods.
type Log struct {
	counts [Reasons]atomic.Uint64
	gates  [Reasons]gates
	log    *slog.Logger
	now    func() int64 // ns
	seed   maphash.Seed

	mu      sync.Mutex
	waiting []line
	writing bool // a goroutine is about to write them, or writes them
}

// line is a Record on its way to the log.
type line struct {
	Record
	suppressed uint64
}

// mostWaiting bounds the lines that wait for the goroutine that writes them, which waits for nobody (cmd/stentor/logqueue).
const mostWaiting = 1024

// How much of the strings of a Record is written.
const (
	nameBytes    = 128
	subjectBytes = 128
	textBytes    = 512
)

// NewLog returns a Log that writes to log. Its goroutine runs only while lines wait.
func NewLog(log *slog.Logger) *Log {
	start := time.Now()
	return &Log{log: log, now: func() int64 { return int64(time.Since(start)) }, seed: maphash.MakeSeed()}
}

// Count is how many refusals had this reason.
func (l *Log) Count(r Reason) uint64 { return l.counts[r].Load() }

// Refuse counts a refusal, and logs a line unless there were too many. It does not wait for the log, and allocates only for
// a line.
func (l *Log) Refuse(r Record) {
	l.counts[r.Reason].Add(1)
	now := l.now()
	suppressed, ok := l.gates[r.Reason].pass(r.Project, l.client(&r), now)
	if !ok {
		return
	}
	r.Project, r.User = clean(r.Project, nameBytes), clean(r.User, nameBytes)
	r.Subject, r.Text = clean(r.Subject, subjectBytes), clean(r.Text, textBytes)
	if !l.put(line{r, suppressed}) {
		l.gates[r.Reason].putBack(r.Project, suppressed+1, now)
	}
}

// client identifies whose share of a gate r uses, 0 when unknown: a client on a Unix socket may be anybody.
func (l *Log) client(r *Record) uint64 {
	a := r.Address.Addr().Unmap().WithZone("")
	if r.User == "" && (!a.IsValid() || a.IsUnspecified()) {
		return 0
	}
	b := address.Client(a).As16()
	return max(1, maphash.Bytes(l.seed, b[:])^maphash.String(l.seed, r.User))
}

// put hands a line to the writing goroutine, unless too many wait for it.
func (l *Log) put(one line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= mostWaiting {
		return false
	}
	l.waiting = append(l.waiting, one)
	if !l.writing {
		l.writing = true
		go l.write()
	}
	return true
}

func (l *Log) write() {
	for {
		l.mu.Lock()
		some := l.waiting
		l.waiting = nil
		l.writing = len(some) > 0
		l.mu.Unlock()
		if len(some) == 0 {
			return
		}
		for i := range some {
			l.say(&some[i])
		}
	}
}

func (l *Log) say(one *line) {
	code := one.Code
	if code == 0 {
		code = one.Reason.Code()
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.String("reason", one.Reason.String()), slog.Int("code", code))
	for _, a := range []slog.Attr{
		slog.String("project", one.Project), slog.String("user", one.User), slog.String("address", shown(one.Address)),
		slog.String("subject", one.Subject), slog.String("text", one.Text),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if one.suppressed > 0 {
		attrs = append(attrs, slog.Uint64("suppressed", one.suppressed))
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "refused", attrs...)
}

// shown is an address as the API shows it: one reported by a proxy has no port, and a Unix socket no address.
func shown(a netip.AddrPort) string {
	switch {
	case !a.Addr().IsValid():
		return ""
	case a.Addr().IsUnspecified():
		return "unix"
	case a.Port() == 0:
		return a.Addr().Unmap().String()
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

// clean copies what a client may have written, most bytes of it, without characters that could end a line or confuse a
// reader.
func clean(s string, most int) string {
	more := ""
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s, more = s[:most], "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, strings.Clone(s)) + more
}
