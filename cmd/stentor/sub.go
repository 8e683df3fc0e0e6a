package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	client "stentor/clients/go"
	"stentor/cmd/stentor/config"
	"stentor/engine/destination"
	"stentor/engine/websocket"
)

type subFlags struct {
	url, project, token string
	trust               trustFlags
	heartbeat           time.Duration
	count               int
	asJSON              bool
}

// subLine is one message as `sub --json` prints it.
type subLine struct {
	Destination string            `json:"destination"`
	ID          string            `json:"id"`
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        *string           `json:"body,omitempty"`        // when it is UTF-8
	BodyBase64  []byte            `json:"body_base64,omitempty"` // when it is not
}

func newSubCmd() *cobra.Command {
	var f subFlags
	cmd := &cobra.Command{
		Use:   "sub destination...",
		Short: "Subscribe to destinations and print the messages",
		Long: `Subscribes like any client, and prints each message with its time and destination. When the connection breaks, it
reconnects, with growing pauses between the attempts, and resumes after the last message. Ctrl-C disconnects.

  stentor sub -p demo /topic/demo/all
  stentor sub -p demo '/topic/demo/**'         # a pattern, where the project allows them
  STENTOR_TOKEN=... stentor sub -p shop --url wss://push.example.com/ws /topic/shop/all /user/queue/orders

For scripts: --json prints one message a line, --count ends after so many.

  stentor sub -p demo --json --count 1 /topic/demo/all | jq -r .body

What happens to the connection is printed on standard error.`,
		Args: usageArgs(1, 0, "the destination, as in /topic/demo/all,"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.sub(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "ws://127.0.0.1:8080/ws", "WebSocket endpoint, ws:// or wss://")
	f.trust.add(flags)
	flags.StringVarP(&f.project, "project", "p", "", "the project (default: what the endpoint, the token or the server says)")
	flags.StringVar(&f.token, "token", "", "token (default: $"+config.VariableToken+", which other users of the machine cannot see)")
	flags.DurationVar(&f.heartbeat, "heartbeat", 10*time.Second, "interval of heart-beats in both directions, 0 for none")
	flags.IntVarP(&f.count, "count", "n", 0, "end after so many messages, 0 for never")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (f *subFlags) sub(cmd *cobra.Command, destinations []string) error {
	for _, d := range destinations {
		if err := destination.Check(d); err != nil {
			return usagef("%q: %v", d, err)
		}
	}
	if _, err := client.ParseURL(f.url); err != nil {
		return usagef("--url: %v", err)
	}
	if f.heartbeat < 0 || f.count < 0 {
		return usagef("--heartbeat and --count cannot be negative")
	}
	if f.token == "" {
		f.token = os.Getenv(config.VariableToken)
	}
	trusted, err := f.trust.config()
	if err != nil {
		return err
	}
	var left = f.count
	var failed error
	follower := client.Client{
		FailFast:     true,
		Options:      client.Options{URL: f.url, Project: f.project, Token: f.token, Heartbeat: f.heartbeat, TLS: trusted},
		Destinations: destinations,
		Message: func(m *client.Message) bool {
			if failed = f.print(cmd.OutOrStdout(), m); failed != nil {
				return false
			}
			left--
			return left != 0
		},
		Notice: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), printable(text)) },
	}
	if err := follower.Run(cmd.Context()); err != nil {
		return f.explain(err)
	}
	return failed
}

// explain adds what to try to an error that ended the command.
func (f *subFlags) explain(err error) error {
	var (
		dial    *net.OpError
		plain   tls.RecordHeaderError
		answer  *websocket.AnswerError
		refused *client.ServerError
		p       problem
	)
	if not := f.trust.explain(err, f.url); not != nil {
		return not
	}
	switch {
	case errors.As(err, &plain):
		return fmt.Errorf("%s does not answer in TLS: wss:// is for a proxy, or for a listener with the word tls", f.url)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("cannot reach %s (%v); is the node running? --url names another endpoint", f.url, dial.Err)
	case errors.As(err, &answer) && json.Unmarshal([]byte(answer.Text), &p) == nil && p.Code != "":
		return fmt.Errorf("%s is the HTTP API (%w); clients connect to another port, listen.client: --url names it", f.url, &p)
	case errors.As(err, &refused):
		// The beginning is Spring's text, which some clients match; it does not fit a SUBSCRIBE or a CONNECT.
		return fmt.Errorf("the server refuses: %s (%s)", strings.TrimPrefix(refused.Message, "Failed to send message, "), refused.Code)
	}
	return err
}

func (f *subFlags) print(out io.Writer, m *client.Message) error {
	text := utf8.Valid(m.Body)
	if !f.asJSON {
		body := string(m.Body)
		if !text {
			body = strconv.Quote(body)
		}
		_, err := fmt.Fprintf(out, "%s %s %s\n", time.Now().Format(time.TimeOnly), printable(m.Destination), printable(body))
		return err
	}
	line := subLine{Destination: m.Destination, ID: m.ID, ContentType: m.ContentType}
	for _, h := range m.Headers {
		if line.Headers == nil {
			line.Headers = make(map[string]string)
		}
		if _, ok := line.Headers[h.Name]; !ok { // of a repeated header the first one counts
			line.Headers[h.Name] = h.Value
		}
	}
	if body := string(m.Body); text {
		line.Body = &body
	} else {
		line.BodyBase64 = m.Body
	}
	return json.NewEncoder(out).Encode(line)
}
