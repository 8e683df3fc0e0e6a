package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// answer is what a registry says to one client.
type answer struct {
	to     []netip.AddrPort // the best first
	spread time.Duration    // a random part of it is to be waited
}

// asker asks a registry over one connection that stays open, from an address of its own: a registry bounds how often
// one address may ask.
type asker struct {
	url  string
	http *http.Client
}

// askFrom is the address of asker i, none of which a client of the load generator has.
func askFrom(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 77, byte(i >> 8), byte(i)})
}

func newAsker(registry string, from netip.Addr) *asker {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	return &asker{url: registry + "/v1/endpoints?n=", http: &http.Client{Timeout: askTimeout, Transport: &http.Transport{DialContext: dialer.DialContext}}}
}

const askTimeout = 10 * time.Second

func (a *asker) ask(ctx context.Context, n int) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprint(a.url, n), nil)
	if err != nil {
		return answer{}, err
	}
	got, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, 1<<16))
	if err != nil {
		return answer{}, err
	}
	if got.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("the registry answered %s: %s", got.Status, body)
	}
	return parseAnswer(body)
}

func parseAnswer(body []byte) (a answer, err error) {
	var text struct {
		Endpoints []string `json:"endpoints"`
		SpreadMS  int64    `json:"spread_ms"`
	}
	if err := json.Unmarshal(body, &text); err != nil {
		return answer{}, fmt.Errorf("the registry's answer: %w", err)
	}
	for _, endpoint := range text.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil {
			return answer{}, fmt.Errorf("the registry's answer: %w", err)
		}
		to, err := netip.ParseAddrPort(u.Host)
		if err != nil {
			return answer{}, fmt.Errorf("the registry's answer: %w", err)
		}
		a.to = append(a.to, to)
	}
	if len(a.to) == 0 {
		return answer{}, fmt.Errorf("the registry names no node: %s", body)
	}
	a.spread = time.Duration(text.SpreadMS) * time.Millisecond
	return a, nil
}

func (a *asker) close() { a.http.CloseIdleConnections() }

// asking asks those that a client knows, in turn, over connections that stay open. One goroutine uses it.
type asking struct {
	from netip.Addr
	open map[string]*asker
}

// ask returns the first answer.
func (a *asking) ask(ctx context.Context, urls []string) (got answer, err error) {
	var all []error
	for _, url := range urls {
		one := a.open[url]
		if one == nil {
			one = newAsker(url, a.from)
			a.open[url] = one
		}
		if got, err = one.ask(ctx, nodeCount); err == nil {
			return got, nil
		}
		all = append(all, err)
	}
	return answer{}, errors.Join(all...)
}

func (a *asking) close() {
	for _, one := range a.open {
		one.close()
	}
}
