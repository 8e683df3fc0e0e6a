package config

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"stentor/engine/destination"
	"stentor/engine/directory"
	"stentor/engine/jwks"
	"stentor/engine/loop"
	"stentor/engine/websocket"
)

// Validate checks every value by itself and against the others. The error is a Problems. It does not open the files that
// keys name: ProjectConfigs and AllAdminKeys do that.
func (c *Config) Validate() error { return c.validate(false).err() }

// validator checks the configuration of a node.
type validator struct {
	checker
	*Config
}

func newValidator(c *Config) validator { return validator{checker: checker{src: &c.source}, Config: c} }

func (c *Config) validate(partial bool) Problems {
	v := newValidator(c)
	v.partial = partial
	c.walk(v.single)
	v.node()
	v.listen()
	v.tls()
	v.endpoints()
	v.credentials()
	v.sizes()
	v.kafka()
	v.advertised()
	v.key(&v.Cluster)
	if len(c.Projects) == 0 {
		v.missing("projects", "no project, allowed: at least one (\"stentor config init\" prints an example)")
	}
	for _, name := range c.ProjectNames() {
		v.project(name, c.Projects[name])
	}
	return v.problems
}

var (
	projectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	headerName  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	urlPath     = regexp.MustCompile(`^/[A-Za-z0-9._~!$&'()*+,;=:@/-]*$`)
)

func (v *validator) node() {
	if !directory.ValidID(v.Node.ID) {
		v.bad("node.id", "found %q, allowed: 1 to 128 of the characters A-Z a-z 0-9 . _ -", v.Node.ID)
	}
}

func (v *validator) listen() {
	taken := make(map[string]string)
	once := func(path, found, address string) {
		if other := taken[address]; other != "" {
			v.bad(path, "found %q, which is %s already", found, other)
		}
		taken[address] = path
	}
	address := func(path, found, addr string) (ok bool) {
		host, port, err := net.SplitHostPort(addr)
		n, e := strconv.ParseUint(port, 10, 16)
		if err != nil || e != nil || host == "" {
			v.bad(path, "found %q, allowed: host:port, as in 0.0.0.0:8080 or [::]:8080", found)
			return false
		}
		if n != 0 {
			once(path, found, addr)
		}
		return true
	}
	if len(v.Listen.Client) == 0 {
		v.missing("listen.client", "no address, allowed: at least one, as in 0.0.0.0:8080")
	}
	for i, text := range v.Listen.Client {
		path := v.itemPath("listen.client", i)
		addr, _, _ := strings.Cut(text, " ")
		local := strings.HasPrefix(addr, "unix:")
		if !local && !address(path, text, addr) {
			continue
		}
		l, err := loop.ParseListener(text)
		switch {
		case err != nil:
			v.bad(path, "%v", err)
		case local:
			once(path, text, addr)
		case l.ProxyProtocol && len(v.Listen.TrustedProxies) == 0:
			v.bad(path, "found %q, which refuses every connection without listen.trusted_proxies", text)
		}
	}
	address("listen.api", v.Listen.API, v.Listen.API)
	v.proxies(v.Listen.TrustedProxies)
	for i, s := range v.Listen.Names {
		if _, err := websocket.ParseNames([]string{s}); err != nil {
			v.bad(v.itemPath("listen.names", i), "found %q, allowed: a host name without scheme and port, as in push.example.com or *.example.com", s)
		}
	}
}

// parsePrefix reads a network, or an address as a network of one address.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// Proxies returns trusted_proxies as networks.
func (l *Listen) Proxies() []netip.Prefix { return prefixes(l.TrustedProxies) }

func prefixes(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range texts {
		if p, err := parsePrefix(s); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// Loopback returns an error when a listener can be reached from another machine.
func (c *Config) Loopback() error {
	v := newValidator(c)
	address := func(path, addr string) {
		host, _, err := net.SplitHostPort(addr)
		ip, e := netip.ParseAddr(host)
		if err != nil || host != "localhost" && (e != nil || !ip.IsLoopback()) {
			v.bad(path, "found %q, allowed with --dev: a loopback address, as in 127.0.0.1:8080", addr)
		}
	}
	for i, text := range c.Listen.Client {
		if addr, _, _ := strings.Cut(text, " "); !strings.HasPrefix(addr, "unix:") {
			address(v.itemPath("listen.client", i), addr)
		}
	}
	address("listen.api", c.Listen.API)
	return v.problems.err()
}

func (v *validator) endpoints() {
	if len(v.Endpoints) == 0 {
		v.missing("endpoints", "no endpoint, allowed: at least one, as in [{path: /ws}]")
	}
	taken := make(map[string]bool)
	for i, e := range v.Endpoints {
		at := item("endpoints", i)
		if !urlPath.MatchString(e.Path) {
			v.bad(at+".path", "found %q, allowed: a path such as /ws", e.Path)
		} else if taken[e.Path] {
			v.bad(at+".path", "found %q twice, allowed: a path of its own for each endpoint", e.Path)
		}
		taken[e.Path] = true
		if _, err := websocket.ParseOrigins(e.Origins); err != nil {
			v.bad(at+".origins", "%v", err)
		}
		if e.Project != "" {
			v.oneOf(at+".project", e.Project, v.ProjectNames())
		}
		v.compression(at, &v.Endpoints[i])
	}
	if v.DefaultProject != "" {
		v.oneOf("default_project", v.DefaultProject, v.ProjectNames())
	}
}

// compression: a compressed message is inflated at once, by a loop that others wait for.
func (v *validator) compression(at string, e *Endpoint) {
	const most = 1 << 20
	if n := v.Limits.ClientFrameBytes; e.Compression && n > most {
		v.bad("limits.client_frame_bytes", "found %v, allowed with %s.compression: at most 1MiB", n, at)
	}
	if e.CompressionWebKit && !e.Compression {
		v.bad(at+".compression_webkit", "found true, allowed only with compression: true")
	}
}

func (v *validator) credentials() {
	c := &v.Credentials
	header := func(path, name string) {
		if !headerName.MatchString(name) {
			v.bad(path, "found %q, allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -", name)
		}
	}
	header("credentials.token_header", c.TokenHeader)
	header("credentials.project_header", c.ProjectHeader)
	if strings.EqualFold(c.TokenHeader, c.ProjectHeader) {
		v.bad("credentials.project_header", "found %q, allowed: a name other than token_header", c.ProjectHeader)
	}
}

// sizes checks that one push fits into every buffer that has to hold it, and one request into a project's share.
func (v *validator) sizes() {
	if request := max(v.Limits.BatchBytes, 2*v.Limits.PushBytes+64<<10); v.Limits.APIBytes < 3*request {
		v.bad("limits.api_bytes", "found %q, allowed: at least three times the largest request (limits.batch_bytes, or twice limits.push_bytes and 64KiB), which is %s", v.Limits.APIBytes, 3*request)
	}
	push := v.Limits.PushBytes
	for _, holder := range []struct {
		path string
		size ByteSize
	}{{"limits.batch_bytes", v.Limits.BatchBytes}, {"limits.pending_bytes", v.Limits.PendingBytes}, {"limits.slow_bytes", v.Limits.SlowBytes}, {"history.bytes", v.History.Bytes}} {
		if holder.size < push {
			v.bad(holder.path, "found %q, allowed: at least limits.push_bytes, which is %s", holder.size, push)
		}
	}
	// A session may hold about a tenth of the budget for all, see shard.Budget.
	if frame := v.Limits.ClientFrameBytes; v.Limits.SessionBytes < 12*frame {
		v.bad("limits.session_bytes", "found %q, allowed: at least twelve times limits.client_frame_bytes, which is %s", v.Limits.SessionBytes, frame)
	}
}

var (
	topicName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	hostAndPort = regexp.MustCompile(`^[^\s,]+:[0-9]{1,5}$`)
)

func (v *validator) kafka() {
	k := &v.Kafka
	if v.Bus == "kafka" || len(k.Brokers) > 0 {
		v.brokers(k.Brokers)
	}
	v.properties(k.Properties)
	if v.Bus != "kafka" {
		return
	}
	taken := map[string]holder{collision(k.NodesTopic): {k.NodesTopic, "kafka.nodes_topic"}}
	for _, name := range v.ProjectNames() {
		if !projectName.MatchString(name) {
			continue
		}
		for _, topic := range []string{v.PushTopic(name), v.InTopic(name)} {
			at := join("projects", name)
			if !topicName.MatchString(topic) {
				v.bad(at, "its topic would be %q, allowed: 1 to 249 of the characters A-Z a-z 0-9 . _ -", topic)
			} else if other, ok := taken[collision(topic)]; ok && other.topic == topic {
				v.bad(at, "its topic is %q, which is %s already, allowed: a topic of its own", topic, other.path)
			} else if ok {
				v.bad(at, "its topic is %q, which Kafka cannot distinguish from %q of %s: its metrics treat a dot and an underscore alike, allowed: a name with another difference",
					topic, other.topic, other.path)
			}
			taken[collision(topic)] = holder{topic, at}
		}
	}
}

// holder is the key that a Kafka topic belongs to.
type holder struct{ topic, path string }

// collision is equal for topics that Kafka does not allow side by side: to Kafka . and _ collide.
func collision(topic string) string { return strings.ReplaceAll(topic, "_", ".") }

// PushTopic returns the Kafka topic with a project's pushes.
func (c *Config) PushTopic(project string) string {
	if p := c.Projects[project]; p != nil && p.Topic != "" {
		return p.Topic
	}
	return c.Kafka.TopicPrefix + project
}

// InTopic returns the Kafka topic for what a project's clients send to the back ends.
func (c *Config) InTopic(project string) string { return c.Kafka.InPrefix + project }

func (v *validator) project(name string, p *Project) {
	at := join("projects", name)
	if !projectName.MatchString(name) {
		v.bad(at, "found the name %q, allowed: 1 to 64 of the characters A-Z a-z 0-9 . _ -, a letter or a digit first", name)
		return
	}
	v.keys(at+".keys", p)
	if len(p.UserClaims) == 0 {
		v.missing(at+".user_claims", "no claim, allowed: at least one, as in [sub]")
	}
	if slices.Contains(p.UserClaims, "") {
		v.bad(at+".user_claims", "found %q, allowed: names of claims, as in [sub]", "")
	}
	if p.Subscribe == nil {
		v.missing(at+".subscribe", "missing, allowed: what clients of a plain project may subscribe to, as in [\"/topic/all/**\", \"/user/**\"]")
	}
	for i, rule := range p.Subscribe {
		if _, err := destination.ParseRule(rule, name); err != nil {
			v.bad(v.itemPath(at+".subscribe", i), "%v", err)
		}
	}
	for _, pattern := range sortedKeys(p.Send) {
		path := join(at+".send", pattern)
		if !strings.HasPrefix(pattern, "/") {
			v.bad(path, "found %q, allowed: a pattern that begins with /", pattern)
		} else if rule, err := destination.ParseRule(pattern, name); err != nil {
			v.bad(path, "%v", err)
		} else if rule.NamesUser() {
			v.bad(path, "found %q, allowed: {project} alone", pattern)
		}
		switch action := p.Send[pattern]; {
		case !slices.Contains([]string{"ignore", "push", "forward", "deny"}, action):
			v.bad(path, "found %q, allowed: ignore, push, forward, deny", action)
		case action == "forward" && v.Bus != "kafka":
			v.bad(path, "found %q, which only bus: kafka has, allowed: ignore, push, deny", action)
		}
	}
}

func (v *validator) keys(path string, p *Project) {
	if len(p.Keys) == 0 && !p.Anonymous {
		v.missing(path, "no key, so that no client could connect, allowed: at least one key, or anonymous: true")
	}
	taken := make(map[string]bool)
	for i := range p.Keys {
		k, at := &p.Keys[i], item(path, i)
		if k.Provider() {
			v.provider(at, k)
			continue
		}
		if k.KID != "" && taken[k.KID] {
			v.bad(at+".kid", "found %q twice, allowed: another kid for each key", k.KID)
		}
		taken[k.KID] = true
		if len(k.Algorithms) > 0 {
			v.bad(at+".algorithms", "found %q, which only jwks_url and issuer_url have, allowed: alg", k.Algorithms)
		}
		if k.Alg == "" {
			v.missing(at+".alg", "missing, allowed: %s", keyAlgorithms)
		} else {
			v.oneOf(at+".alg", k.Alg, strings.Split(keyAlgorithms, ", "))
		}
		switch {
		case k.Alg == "HS256" && k.File != "":
			v.bad(at+".file", "found %q, but HS256 has no public key, allowed: secret_file or secret", k.File)
		case k.Alg == "HS256" && (k.Secret == "") == (k.SecretFile == ""):
			v.bad(at, "found %s, allowed for HS256: either secret_file or secret", map[bool]string{true: "neither secret_file nor secret", false: "both secret_file and secret"}[k.Secret == ""])
		case k.Alg == "HS256" && k.Secret != "" && len(k.Secret) < minSecret:
			v.bad(at+".secret", "found a secret of %d bytes, allowed: at least %d", len(k.Secret), minSecret)
		case k.Alg != "HS256" && (k.Secret != "" || k.SecretFile != ""):
			v.bad(at, "found a secret, which only HS256 has, allowed for %s: file", k.Alg)
		case k.Alg != "HS256" && k.Alg != "" && k.File == "":
			v.missing(at, "no file, allowed for %s: file, a PEM file with the public key", k.Alg)
		}
	}
}

const keyAlgorithms = "RS256, ES256, EdDSA, HS256"

// Provider reports whether the keys are those of an identity provider.
func (k *Key) Provider() bool { return k.JWKSURL != "" || k.IssuerURL != "" }

// Providers are the identity providers that the projects name, which a check of the configuration does not ask.
func (c *Config) Providers() (names []string) {
	for _, p := range c.Projects {
		for i := range p.Keys {
			if k := &p.Keys[i]; k.Provider() {
				names = append(names, provider(k).Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// provider checks the keys of an identity provider. Nothing is fetched.
func (v *validator) provider(at string, k *Key) {
	switch {
	case k.JWKSURL != "" && k.IssuerURL != "":
		v.bad(at, "found both jwks_url and issuer_url, allowed: one of them")
	case k.KID+k.Alg+k.File+k.Secret+k.SecretFile != "":
		v.bad(at, "found the URL of a provider beside a key of your own, allowed: an item of the list for each")
	}
	for key, text := range map[string]string{"jwks_url": k.JWKSURL, "issuer_url": k.IssuerURL} {
		if err := jwks.CheckURL(text); text != "" && err != nil {
			v.bad(at+"."+key, "%v", err)
		}
	}
	for i, alg := range k.Algorithms {
		if !slices.Contains(jwks.Algorithms, alg) {
			v.bad(v.itemPath(at+".algorithms", i), "found %q, allowed: %s", alg, strings.Join(jwks.Algorithms, ", "))
		}
	}
}

// minSecret is the length of the shortest HS256 secret (RFC 7518 section 3.2).
const minSecret = 32
