package jwks

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
	"slices"
	"strings"
	"time"
)

// Spec says where a provider's keys are. One of the two URLs is set.
type Spec struct {
	URL    string // of the key set
	Issuer string // whose discovery document has it
	// Algorithms are some of those that the package knows.
	Algorithms []string
}

// same is one text for all specs that mean the same.
func (s Spec) same() string { return fmt.Sprintf("%q %q %q", s.URL, s.Issuer, s.Algorithms) }

// Has reports whether the provider has keys for the algorithm.
func (s Spec) Has(alg string) bool { return slices.Contains(s.Algorithms, alg) }

// Name is the provider in logs and metrics: its URL without what may be a secret.
func (s Spec) Name() string {
	u, err := url.Parse(s.URL + s.Issuer)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// CheckURL reports what is wrong with the URL of a provider. Over plain HTTP whoever is on the way could put keys of their own
// into the answer, so that it is allowed to this machine only.
func CheckURL(text string) error {
	const allowed = "allowed: https://HOST/PATH, or http:// to an address of this machine"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return fmt.Errorf("found %q, %s", text, allowed)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("found %q, %s", text, allowed)
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// fetchTime is how long a provider may take for a whole answer, with its discovery document.
const fetchTime = 10 * time.Second

// newClient is what all sources fetch with. It follows no redirect: a provider that has moved is one to be configured anew,
// and not one that can have the node ask whatever it names. A fetch is rare, so that no connection is kept.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: fetchTime, KeepAlive: -1}).DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     transport,
	}
}

// fetch asks the provider for its keys.
func fetch(ctx context.Context, client *http.Client, spec Spec) ([]Key, int, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	at := spec.URL
	if spec.Issuer != "" {
		var err error
		if at, err = discover(ctx, client, spec.Issuer); err != nil {
			return nil, 0, err
		}
	}
	text, err := get(ctx, client, at)
	if err != nil {
		return nil, 0, err
	}
	return Parse(text, spec.Algorithms)
}

// discover finds the URL of an issuer's key set.
func discover(ctx context.Context, client *http.Client, issuer string) (string, error) {
	text, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", fmt.Errorf("the discovery document: %w", err)
	}
	var document struct {
		Issuer string `json:"issuer"`
		URL    string `json:"jwks_uri"`
	}
	if json.Unmarshal(text, &document) != nil {
		return "", errors.New("the discovery document is not JSON")
	}
	if document.Issuer != issuer {
		return "", fmt.Errorf("the discovery document is of the issuer %.200q", document.Issuer)
	}
	if err := CheckURL(document.URL); err != nil {
		return "", fmt.Errorf("jwks_uri of the discovery document: %.300s", err.Error())
	}
	if strings.HasPrefix(document.URL, "http:") && !strings.HasPrefix(issuer, "http:") {
		return "", errors.New("jwks_uri of the discovery document is not https, as the issuer is")
	}
	return document.URL, nil
}

// get reads one answer, and no more of it than it may have.
func get(ctx context.Context, client *http.Client, at string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode/100 == 3:
		return nil, fmt.Errorf("the answer is %s; redirects are not followed", response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer is %s", response.Status)
	case response.ContentLength > MaxBytes:
		return nil, fmt.Errorf("the answer has %d bytes, allowed are %d", response.ContentLength, MaxBytes)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxBytes+1))
	switch {
	case err != nil:
		return nil, withoutURL(err)
	case len(text) > MaxBytes:
		return nil, fmt.Errorf("the answer has more than %d bytes", MaxBytes)
	}
	return text, nil
}

// withoutURL leaves the URL out of an error: its query may be a secret.
func withoutURL(err error) error {
	var of *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no whole answer within %v", fetchTime)
	case errors.As(err, &of):
		return of.Err
	}
	return err
}
