package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
	"stentor/engine/admin"
)

// apiFlags are the flags of the commands that use the HTTP API.
type apiFlags struct {
	base, project, key string
	timeout            time.Duration
	asJSON, local      bool
	trust              trustFlags
	client             *http.Client // one for all requests of the command
}

func (f *apiFlags) add(cmd *cobra.Command) {
	f.addFlags(cmd, "API key of the project, or an admin key")
	cmd.Flags().StringVarP(&f.project, "project", "p", "", "the project")
}

// addWithoutProject adds the flags of commands that concern all projects.
func (f *apiFlags) addWithoutProject(cmd *cobra.Command) { f.addFlags(cmd, "admin key") }

func (f *apiFlags) addFlags(cmd *cobra.Command, key string) {
	flags := cmd.Flags()
	flags.StringVar(&f.base, "api", "http://127.0.0.1:8081", "address of the HTTP API")
	flags.StringVar(&f.key, "key", "", key+" (default: $"+config.VariableAPIKey+", which other users of the machine cannot see)")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long to wait for the answer")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	f.trust.add(flags)
}

// addLocal adds the flag for requests that otherwise all nodes of a cluster answer together.
func (f *apiFlags) addLocal(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.local, "local", false, "on the node that is asked alone, not on all nodes of its cluster")
}

// query is the query string for the flag of addLocal.
func (f *apiFlags) query() url.Values {
	if f.local {
		return url.Values{"node": {"local"}}
	}
	return url.Values{}
}

// merged adds the nodes of b to a, each once.
func merged(a, b []admin.Missing) []admin.Missing {
	for _, m := range b {
		if !slices.ContainsFunc(a, func(known admin.Missing) bool { return known.Node == m.Node }) {
			a = append(a, m)
		}
	}
	return a
}

// tellMissing prints which nodes did not answer, and why.
func tellMissing(cmd *cobra.Command, missing []admin.Missing) {
	for _, m := range missing {
		fmt.Fprintf(cmd.ErrOrStderr(), "nothing from %s: %s\n", printable(m.Node), printable(m.Why))
	}
}

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 64 << 20

// problem is the body of an answer with an error (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	body   []byte
}

// Error returns title and detail.
func (p *problem) Error() string {
	text := fmt.Sprintf("%s (%d)", p.Title, p.Status)
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	return text
}

// call is ask for paths below /v1/projects/{project}.
func (f *apiFlags) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	if f.project == "" {
		return nil, usagef("--project is missing, as in --project demo")
	}
	return f.ask(ctx, method, "/v1/projects/"+url.PathEscape(f.project)+path, query, body)
}

// ask sends one request and returns the body of the answer. path is already escaped. An answer other than 2xx is a *problem.
func (f *apiFlags) ask(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	if f.key == "" {
		f.key = os.Getenv(config.VariableAPIKey)
	}
	if f.key == "" {
		return nil, usagef("no API key: give --key, or set %s", config.VariableAPIKey)
	}
	base, err := url.Parse(f.base)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, usagef("--api: found %q, allowed: http://host:port or https://host", f.base)
	}
	target := strings.TrimRight(base.String(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+f.key)
	r.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if f.client == nil {
		if f.client, err = f.trust.client(); err != nil {
			return nil, err
		}
	}
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, f.explain(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, f.explain(err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, readProblem(answer, text)
	}
	return text, nil
}

// readJSON decodes an answer.
func readJSON(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the API's answer is not JSON: %w", err)
	}
	return nil
}

var errInterrupted = errors.New("interrupted")

// explain turns a failure to get an answer into an error that says what to do.
func (f *apiFlags) explain(err error) error {
	var (
		refused *net.OpError
		plain   tls.RecordHeaderError
	)
	if not := f.trust.explain(err, f.base); not != nil {
		return not
	}
	switch {
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch): // what net/http makes of an HTTP answer
		return fmt.Errorf("%s does not answer in TLS: the API has https:// with listen.api_tls or behind a proxy", f.base)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer within %s", f.base, f.timeout)
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case errors.As(err, &refused) && refused.Op == "dial":
		return fmt.Errorf("cannot reach the API at %s (%v); is the node running? --api names another address", f.base, refused.Err)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w", f.base, err)
}

func readProblem(answer *http.Response, text []byte) error {
	p := &problem{body: text}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(text, p) != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		p.Detail = printable(line)
	}
	p.Status = answer.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(answer.StatusCode)
	}
	return p
}

// finish also prints the problem's JSON if JSON was requested.
func (f *apiFlags) finish(out io.Writer, err error) error {
	var p *problem
	if f.asJSON && errors.As(err, &p) && json.Valid(p.body) {
		_, _ = out.Write(append(bytes.TrimSpace(p.body), '\n'))
	}
	return err
}

// printable replaces characters that could change a terminal's state.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
