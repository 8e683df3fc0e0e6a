package node

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/stomp"
)

// What the server is set up with, and what clients and pushes then name.
const (
	project = "bench"
	topic   = "/topic/bench/all"
	queue   = "/user/queue/bench"
	path    = "/ws"
	keyID   = "bench"
)

// credentials are made anew for each run.
type credentials struct {
	apiKey string
	secret string // of HS256
}

func newCredentials() credentials { return credentials{rand.Text(), rand.Text() + rand.Text()} }

// configTemplate sets what a server cannot do without, and the one thing that the measurement of silent clients needs:
// that they are kept for as long as it lasts. Everything else is as shipped.
var configTemplate = template.Must(template.New("").Funcs(template.FuncMap{"yaml": quote}).Parse(`node: {id: bench}
listen:
  client: [{{yaml .Client}}]
  api: {{yaml .API}}
endpoints: [{path: {{yaml .Path}}}]
projects:
  {{.Project}}:
    anonymous: true
    api_keys: [{{yaml .APIKey}}]
    keys: [{kid: {{yaml .KeyID}}, alg: HS256, secret: {{yaml .Secret}}}]
    slow: {policy: disconnect, timeout: 10m}
`))

// quote makes a YAML string: JSON strings are.
func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

func configuration(client, api netip.AddrPort, c credentials) []byte {
	var b bytes.Buffer
	err := configTemplate.Execute(&b, map[string]string{
		"Client": client.String(), "API": api.String(), "Path": path, "Project": project,
		"APIKey": c.apiKey, "KeyID": keyID, "Secret": c.secret,
	})
	if err != nil {
		panic(err) // only for a mistake in the template
	}
	return b.Bytes()
}

// tokenLife is longer than any run.
const tokenLife = 6 * time.Hour

// token returns the CONNECT headers of connection number: a JWT for a user of its own.
func (c credentials) token(number int) ([]stomp.Header, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": fmt.Sprintf("user-%05d", number),
		"exp": time.Now().Add(tokenLife).Unix(),
	})
	t.Header["kid"] = keyID
	signed, err := t.SignedString([]byte(c.secret))
	if err != nil {
		return nil, err
	}
	return []stomp.Header{
		{Name: []byte("projectId"), Value: []byte(project)},
		{Name: []byte("token"), Value: []byte(signed)},
	}, nil
}

// anonymous returns the CONNECT headers of a client without a token.
func anonymous(int) ([]stomp.Header, error) {
	return []stomp.Header{{Name: []byte("projectId"), Value: []byte(project)}}, nil
}
