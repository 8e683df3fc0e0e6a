package shard

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// schedule is one run as data: the initial world, and the operations. What an operation does depends only on its fields and the
// state of the world; one that no longer applies (its client is gone, its node closed) does nothing. So any subset of a schedule
// is a schedule with nearly the same meaning.
type schedule struct {
	world profile
	ops   []op
}

// profile describes a world.
type profile struct {
	Seed       uint64 `json:"seed,omitempty"` // of random decisions after the faults have ended
	Nodes      int    `json:"nodes"`
	Shards     int    `json:"shards"` // of each node
	Partitions int    `json:"partitions"`
	Projects   int    `json:"projects"`
	// Growth is how many partitions a topic may get later. With more than one, a destination may return to a partition that it had
	// left, and only a node that has read all of the later ones knows that it was away.
	Growth     int         `json:"growth,omitempty"`
	Window     int         `json:"window,omitempty"` // of ACKs, at first
	Policy     Policy      `json:"policy,omitempty"` // at first
	Limits     string      `json:"limits,omitempty"` // "installed", "small", or what few meet
	Unanswered int         `json:"unanswered"`
	WriteCost  simDuration `json:"writeCost"`
	// History is for how many bytes and how long nodes keep pushes; 0 for longer than any run.
	HistoryBytes int64       `json:"historyBytes,omitempty"`
	HistoryTime  simDuration `json:"historyTime,omitempty"`
	Crowded      bool        `json:"crowded,omitempty"` // many subscriptions to few destinations
	Faults       bool        `json:"faults,omitempty"`  // writes fail and panic
}

// op is one operation. Do names it; simOps says which of the other fields it reads. In a file each is a line of JSON, without the
// fields that are zero.
type op struct {
	Do    string      `json:"do"`
	After simDuration `json:"after,omitempty"` // that passes first
	And   bool        `json:"and,omitempty"`   // the next operation follows before clients and shards progress
	Seed  uint32      `json:"seed,omitempty"`  // of random decisions until the next operation: who progresses, how many bytes move

	Client  int         `json:"client,omitempty"` // from 1
	Node    int         `json:"node,omitempty"`
	Shard   int         `json:"shard,omitempty"`
	Project int         `json:"project,omitempty"`
	Part    int         `json:"part,omitempty"` // of a topic
	Nth     int         `json:"nth,omitempty"`  // index into a list, modulo its length
	Count   int         `json:"count,omitempty"`
	For     simDuration `json:"for,omitempty"`

	// Of clients.
	Version int    `json:"version,omitempty"` // 0 for 1.0
	User    string `json:"user,omitempty"`
	Beats   string `json:"beats,omitempty"`
	Good    bool   `json:"good,omitempty"`
	Mute    bool   `json:"mute,omitempty"`
	Acks    bool   `json:"acks,omitempty"`
	Reads   int    `json:"reads,omitempty"`
	SockJS  string `json:"sockjs,omitempty"` // over websocket or http
	Packs   bool   `json:"packs,omitempty"`

	// Of connections.
	Kernel  int    `json:"kernel,omitempty"`  // bytes that the kernel takes before the client reads; 0 all
	Fails   int    `json:"fails,omitempty"`   // the write that fails; 0 none
	Panics  int    `json:"panics,omitempty"`  // the write that panics; 0 none
	Looks   bool   `json:"looks,omitempty"`   // it is a question to the socket that panics
	Ignores bool   `json:"ignores,omitempty"` // FIN
	Path    string `json:"path,omitempty"`
	Answer  string `json:"answer,omitempty"` // of the authentication
	Late    bool   `json:"late,omitempty"`   // no CONNECT comes
	Early   int    `json:"early,omitempty"`  // 1: CONNECT comes with the handshake, 2: and all else too

	// Of frames and pushes.
	Dest    string      `json:"dest,omitempty"`
	ID      string      `json:"id,omitempty"`
	Ack     int         `json:"ack,omitempty"`
	Resume  string      `json:"resume,omitempty"` // last-message-id; "invented": what could be one
	Receipt bool        `json:"receipt,omitempty"`
	Tx      int         `json:"tx,omitempty"` // the transaction, from 1
	Kind    string      `json:"kind,omitempty"`
	Size    int         `json:"size,omitempty"`
	TTL     simDuration `json:"ttl,omitempty"`

	// Of settings.
	Policy Policy `json:"policy,omitempty"`
	Window int    `json:"window,omitempty"`
}

// simDuration is a time.Duration that is written as such.
type simDuration time.Duration

func (d simDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *simDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = simDuration(parsed)
	return err
}

// write puts s into a file's form: comments, the world, and an operation a line.
func (s *schedule) write(out io.Writer, comment string) error {
	w := bufio.NewWriter(out)
	for line := range strings.Lines(comment) {
		fmt.Fprintf(w, "# %s\n", strings.TrimRight(line, "\n"))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]*profile{"world": &s.world}); err != nil {
		return err
	}
	for i := range s.ops {
		if err := encoder.Encode(&s.ops[i]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// parseSchedule reads what write has written. Unknown content is an error: a schedule of which half is ignored would show
// nothing.
func parseSchedule(text []byte) (*schedule, error) {
	s := &schedule{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if s.world.Nodes == 0 {
			var first struct{ World *profile }
			err := decoder.Decode(&first)
			if err == nil && first.World == nil {
				err = errors.New("the first line describes the world")
			}
			if err == nil {
				err = first.World.check()
			}
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			s.world = *first.World
			continue
		}
		var o op
		if err := decoder.Decode(&o); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if simOps[o.Do].do == nil {
			return nil, fmt.Errorf("line %d: no operation is called %q", number, o.Do)
		}
		s.ops = append(s.ops, o)
	}
	if s.world.Nodes == 0 {
		return nil, errors.New("it describes no world")
	}
	return s, nil
}

func (p *profile) check() error {
	if min(p.Nodes, p.Shards, p.Partitions, p.Projects, p.Unanswered) < 1 {
		return errors.New("a world has a node, a shard, a partition, a project, and an answer that may be owed")
	}
	return nil
}

func readSchedule(path string) (*schedule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := parseSchedule(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// save writes s to a file.
func (s *schedule) save(path, comment string) error {
	var b bytes.Buffer
	if err := s.write(&b, comment); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// outcome of a schedule that was played.
type played struct {
	err     error
	kind    string // of err: equal for the same failure in another place
	at      int    // the operation that failed; len(ops) after the last
	applied []bool // operations that had an effect
	now     int64
	got     int // MESSAGEs
	last    uint64
	trace   []string
	visits  visits
}
