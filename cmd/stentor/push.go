package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// pushRequest is the body of a push.
type pushRequest struct {
	Topic         string            `json:"topic,omitempty"`
	Topics        []string          `json:"topics,omitempty"`
	User          string            `json:"user,omitempty"`
	Users         []string          `json:"users,omitempty"`
	Session       string            `json:"session,omitempty"`
	Destination   string            `json:"destination,omitempty"`
	Payload       *string           `json:"payload,omitempty"`
	PayloadBase64 []byte            `json:"payload_base64,omitempty"`
	ContentType   string            `json:"content_type,omitempty"`
	TTL           int64             `json:"ttl_ms,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	ID            string            `json:"id,omitempty"`
}

// pushAnswer is the API's answer for a push that is on the bus.
type pushAnswer struct {
	ID       string `json:"id"`
	Position string `json:"position"`
	Pushes   []struct {
		Destination string `json:"destination"`
		User        string `json:"user"`
		Position    string `json:"position"`
	} `json:"pushes"`
}

type pushFlags struct {
	apiFlags
	topics, users        []string
	session, destination string
	id, contentType      string
	ttl                  time.Duration
	headers              []string
}

func newPushCmd() *cobra.Command {
	var f pushFlags
	cmd := &cobra.Command{
		Use:   "push [payload]",
		Short: "Push a message to the clients of a project",
		Long: `Pushes one message: to everybody who has subscribed to a topic, to all sessions of a user, or to one session.
The payload is the argument, or comes from standard input, and reaches the clients byte for byte. A JSON object or
array has the content type application/json, other text text/plain, anything else application/octet-stream.

To a topic. One without a leading / is put below /topic/PROJECT/:

  stentor push -p demo --key demo-key --topic all 'hello'
  stentor push -p demo --key demo-key --topic /topic/demo/all '{"price": 12}'

To a user, where clients have subscribed to /user/queue/orders:

  stentor push -p demo --key demo-key --user ann --destination /queue/orders 'shipped'

To one session ("stentor sessions" lists them):

  stentor push -p demo --key demo-key --session SESSION --destination /queue/orders 'shipped'

From a file, delivered once even if it is sent several times, and discarded after a minute:

  stentor push -p demo --key demo-key --topic all --id price-7 --ttl 1m --header source=batch < price.json`,
		Args: usageArgs(0, 1, "the payload: quote one that has spaces"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.finish(cmd.OutOrStdout(), f.push(cmd, args))
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.topics, "topic", nil, "topic or full destination (repeatable)")
	flags.StringArrayVar(&f.users, "user", nil, "user (repeatable); needs --destination")
	flags.StringVar(&f.session, "session", "", "session; needs --destination")
	flags.StringVar(&f.destination, "destination", "", "the part of the clients' subscription after /user, as in /queue/orders")
	flags.StringVar(&f.id, "id", "", "id of the push: sent again with the same id, it is delivered once")
	flags.StringVar(&f.contentType, "content-type", "", "content type (default: by the payload)")
	flags.DurationVar(&f.ttl, "ttl", 0, "do not deliver it later than this (default: as long as history keeps it)")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "STOMP header name=value of the message (repeatable)")
	return cmd
}

func (f *pushFlags) push(cmd *cobra.Command, args []string) error {
	r, err := f.request()
	if err != nil {
		return err
	}
	var payload []byte
	if len(args) == 1 {
		payload = []byte(args[0])
	} else if payload, err = readInput(cmd); err != nil {
		return err
	}
	r.setPayload(payload)
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	text, err := f.call(cmd.Context(), "POST", "/push", nil, body)
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), text)
}

// readInput reads standard input to its end, unless the command is interrupted before.
func readInput(cmd *cobra.Command) ([]byte, error) {
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "reading the payload from the terminal; Ctrl-D ends it")
		}
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(in)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("standard input: %w", r.err)
		}
		return r.text, nil
	case <-cmd.Context().Done():
		return nil, errInterrupted
	}
}

// request checks the flags.
func (f *pushFlags) request() (*pushRequest, error) {
	targets := 0
	for _, given := range []bool{len(f.topics) > 0, len(f.users) > 0, f.session != ""} {
		if given {
			targets++
		}
	}
	switch {
	case targets != 1:
		return nil, usagef("give one of --topic, --user and --session")
	case slices.Contains(f.topics, ""):
		return nil, usagef("--topic: found \"\", allowed: a topic, as in --topic all")
	case slices.Contains(f.users, ""):
		return nil, usagef("--user: found \"\", allowed: the name of a user")
	case len(f.topics) > 0 && f.destination != "":
		return nil, usagef("--destination goes with --user and --session; --topic takes a full destination")
	case len(f.topics) == 0 && f.destination == "":
		return nil, usagef("--destination is missing, as in --destination /queue/orders")
	case f.ttl < 0 || f.ttl > 0 && f.ttl < time.Millisecond:
		return nil, usagef("--ttl: found %s, allowed: at least 1ms", f.ttl)
	}
	r := &pushRequest{Session: f.session, Destination: f.destination, ContentType: f.contentType, TTL: f.ttl.Milliseconds(), ID: f.id}
	r.Topic, r.Topics = oneOrMany(f.topics)
	r.User, r.Users = oneOrMany(f.users)
	headers, err := pairs("header", f.headers)
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		if r.Headers == nil {
			r.Headers = make(map[string]string)
		}
		if _, ok := r.Headers[h[0]]; ok {
			return nil, usagef("--header: found %q twice", h[0])
		}
		r.Headers[h[0]] = h[1]
	}
	return r, nil
}

// oneOrMany splits a list into the two forms of the API; one of them is empty.
func oneOrMany(list []string) (string, []string) {
	if len(list) == 1 {
		return list[0], nil
	}
	return "", list
}

// setPayload sends the payload as a string, since raw JSON could be reformatted on its way.
func (r *pushRequest) setPayload(b []byte) {
	if !utf8.Valid(b) {
		r.PayloadBase64 = b
		return
	}
	text := string(b)
	r.Payload = &text
	if start := bytes.TrimLeft(b, " \t\r\n"); r.ContentType == "" && len(start) > 0 && (start[0] == '{' || start[0] == '[') && json.Valid(b) {
		r.ContentType = "application/json"
	}
}

func (f *pushFlags) print(out io.Writer, text []byte) error {
	if f.asJSON {
		_, err := out.Write(append(bytes.TrimSpace(text), '\n'))
		return err
	}
	var a pushAnswer
	if err := readJSON(text, &a); err != nil {
		return err
	}
	for _, p := range a.Pushes {
		fmt.Fprintf(out, "%s %s position %s\n", p.Destination, p.User, p.Position)
	}
	_, err := fmt.Fprintf(out, "pushed: id %s, position %s\n", a.ID, a.Position)
	return err
}
