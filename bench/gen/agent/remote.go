package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// remote is an agent, as a controller sees it.
type remote struct {
	address string
	token   string
	client  *http.Client
}

func (a *remote) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	var no refusal
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&no); err != nil || no.Error == "" {
		return nil, fmt.Errorf("it answers %s without a reason: is it an agent?", res.Status)
	}
	return nil, errors.New(no.Error)
}

// ask sends a request with a short answer.
func (a *remote) ask(ctx context.Context, method, path string, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	res, err := a.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(to); err != nil {
		return fmt.Errorf("its answer: %w", err)
	}
	return nil
}

// hello returns how far the agent's clock is ahead of this one's, and the uncertainty of that.
func (a *remote) hello(ctx context.Context) (ahead, give time.Duration, err error) {
	var h hello
	for range 2 { // the first one opens the connection
		began := time.Now()
		if err := a.ask(ctx, http.MethodGet, "/v1/hello", nil, &h); err != nil {
			return 0, 0, err
		}
		give = time.Since(began) / 2
		ahead = h.Now.Sub(began.Add(give))
	}
	if err := checkVersion(h.Version, "the agent"); err != nil {
		return 0, 0, err
	}
	if h.Busy {
		return 0, 0, errors.New("it is busy with another run")
	}
	return ahead, give, nil
}

func (a *remote) say(ctx context.Context, m say) error {
	m.Version = Version
	return a.ask(ctx, http.MethodPost, "/v1/say", m, &struct{}{})
}

// run starts a run and passes its events to report, until the last one, or until none has come for quiet.
func (a *remote) run(ctx context.Context, o *order, quiet time.Duration, report func(event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gone := func() { cancel(fmt.Errorf("no message from it for %v", quiet)) }
	watch := time.AfterFunc(quiet, gone)
	defer watch.Stop()
	res, err := a.request(ctx, http.MethodPost, "/v1/run", o)
	if err != nil {
		return caused(ctx, err)
	}
	defer res.Body.Close()
	d := json.NewDecoder(io.LimitReader(res.Body, maxEvents))
	for {
		var e event
		if err := d.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("it disconnected during the run")
			}
			return caused(ctx, err)
		}
		watch.Reset(quiet)
		report(e)
		if e.Done != nil {
			return nil
		}
	}
}

// caused returns the cause of ctx's end, if that caused err.
func caused(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
