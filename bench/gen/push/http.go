package push

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 1 << 20
)

// idleTimeout is shorter than servers' (Stentor's is a minute): a POST on a connection that the server is just closing ends
// in EOF, and it is unknown whether the server accepted it.
const idleTimeout = 20 * time.Second

// newClient keeps one connection open per lane.
func newClient(lanes int, tls *tls.Config) *http.Client {
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: lanes, MaxConnsPerHost: lanes, TLSClientConfig: tls, IdleConnTimeout: idleTimeout,
	}}
}

// API pushes through Stentor's own HTTP API.
type API struct {
	url, key string
	http     *http.Client
}

// NewAPI pushes to the API at base, as in http://127.0.0.1:8081, with a key, from this many lanes.
func NewAPI(base, key string, lanes int, tls *tls.Config) *API {
	return &API{base, key, newClient(lanes, tls)}
}

// Close closes its connections.
func (a *API) Close() { a.http.CloseIdleConnections() }

// Send posts one message, or several as a batch.
func (a *API) Send(ctx context.Context, all []Message) (taken int, err error) {
	path := "/v1/projects/" + url.PathEscape(all[0].Project) + "/push"
	if len(all) == 1 {
		_, err := a.do(ctx, http.MethodPost, path, appendPush(nil, &all[0]))
		if err != nil {
			return 0, err
		}
		return 1, nil
	}
	body := []byte{'['}
	for i := range all {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendPush(body, &all[i])
	}
	answer, err := a.do(ctx, http.MethodPost, path+"/batch", append(body, ']'))
	if err != nil {
		return 0, err
	}
	return takenOf(answer, len(all))
}

// Kick closes all sessions of a user and returns how many there were.
func (a *API) Kick(ctx context.Context, project, user string) (int, error) {
	answer, err := a.do(ctx, http.MethodDelete, "/v1/projects/"+url.PathEscape(project)+"/users/"+url.PathEscape(user)+"/sessions", nil)
	if err != nil {
		return 0, err
	}
	var kicked struct {
		Kicked int `json:"kicked"`
	}
	err = json.Unmarshal(answer, &kicked)
	return kicked.Kicked, err
}

// Probe checks that the key belongs to a project that the server serves, by a request that changes nothing.
func (a *API) Probe(ctx context.Context, project string) error {
	_, err := a.do(ctx, http.MethodGet, "/v1/projects/"+url.PathEscape(project)+"/stats", nil)
	return err
}

// HasSession reports whether the server has a session of this id.
func (a *API) HasSession(ctx context.Context, project, id string) (bool, error) {
	answer, err := a.do(ctx, http.MethodGet, "/v1/projects/"+url.PathEscape(project)+"/sessions?id="+url.QueryEscape(id), nil)
	if err != nil {
		return false, err
	}
	var page struct {
		Sessions []struct {
			ID string `json:"id"`
		} `json:"sessions"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return false, err
	}
	for _, s := range page.Sessions {
		if s.ID == id {
			return true, nil
		}
	}
	return false, nil
}

func appendPush(dst []byte, m *Message) []byte {
	if m.User != "" {
		dst = append(dst, `{"user":`...)
		dst = appendString(dst, m.User)
		dst = append(dst, `,"destination":`...)
	} else {
		dst = append(dst, `{"topic":`...)
	}
	dst = appendString(dst, m.Destination)
	dst = append(dst, `,"id":"`+m.ID()+`","payload":`...)
	return append(m.body(dst), '}')
}

func appendString(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings are always possible
	}
	return append(dst, b...)
}

// takenOf reads the answer to a batch of n: how many the server accepted before the first that it did not.
func takenOf(answer []byte, n int) (int, error) {
	var items []struct {
		Status int    `json:"status"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(answer, &items); err != nil {
		return 0, fmt.Errorf("push: the answer to a batch: %w", err)
	}
	if len(items) != n {
		return 0, fmt.Errorf("push: the answer to a batch of %d has %d items", n, len(items))
	}
	for i, item := range items {
		if item.Status != http.StatusOK {
			return i, failure(item.Status, cmp.Or(item.Detail, item.Title), 0)
		}
	}
	return n, nil
}

func (a *API) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header.Set("Content-Type", "application/json")
	return do(a.http, r)
}

// do returns the body of an answer in the 200s.
func do(c *http.Client, r *http.Request) ([]byte, error) {
	answer, err := c.Do(r)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, &Refused{Cause: "push: connection refused"}
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the address would make every cause another
		}
		return nil, fmt.Errorf("push: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After")) // or a date, for which there is no need
		return nil, failure(answer.StatusCode, reason(body), time.Duration(seconds)*time.Second)
	}
	return body, nil
}

// reason is a short form of an answer's body: for a problem (RFC 9457) its detail, which says what to do.
func reason(body []byte) string {
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) == nil && problem.Title+problem.Detail != "" {
		return cmp.Or(problem.Detail, problem.Title)
	}
	const most = 120
	return string(bytes.TrimSpace(body[:min(len(body), most)]))
}

func failure(status int, text string, after time.Duration) error {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		return &Refused{Cause: (&Answer{Status: status, Text: text}).Error(), After: after}
	}
	return &Answer{Status: status, Text: text}
}
