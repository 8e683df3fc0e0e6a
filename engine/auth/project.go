package auth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stentor/engine/destination"
	"stentor/engine/jwks"
)

// SendAction is what becomes of a client's SEND.
type SendAction uint8

const (
	// Ignore counts it and answers its receipt.
	Ignore SendAction = iota
	// Push makes it a push of the project.
	Push
	// Forward hands it to the back ends.
	Forward
	// Deny answers with an ERROR.
	Deny
)

// SendRule says what becomes of SENDs to the destinations of a pattern, in which {project} may stand.
type SendRule struct {
	Pattern string
	Action  SendAction
}

// ProjectConfig is the part of a project's configuration that says who may do what.
type ProjectConfig struct {
	Name      string
	Keys      []Key
	Providers []jwks.Spec   // of more keys
	Sources   *jwks.Sources // that fetch them; nil: there are none, as when a configuration is only checked
	APIKeys   []string
	Anonymous bool // clients without a token are accepted
	Issuer    string
	Audience  string
	// UserClaims are tried in order. Empty means sub, then userName.
	UserClaims []string
	// SubscribeClaim is the claim that narrows subscriptions. Empty means subscribe.
	SubscribeClaim string
	CloseOnExpiry  bool
	Style          destination.Style
	Patterns       bool // clients may subscribe to patterns
	// Subscribe are rules with {project} and {user}. Nil means /topic/{project}/** and /user/** for prefixed projects;
	// plain ones must set it.
	Subscribe []string
	Send      []SendRule
}

// Project is a compiled ProjectConfig. It never changes and may be used from any goroutine.
type Project struct {
	name           string
	keys           []key
	sources        []*jwks.Source
	apiKeys        secrets
	anonymous      bool
	issuer         string
	audience       string
	userClaims     []string
	subscribeClaim string
	closeOnExpiry  bool
	style          destination.Style
	patterns       bool
	subscribe      []*destination.Rule
	send           []sendRule
	examples       Examples
	grants         grants
}

// NewProject compiles c. Errors name the project and the field as the configuration file spells it.
func NewProject(c ProjectConfig) (*Project, error) {
	p, err := compile(c)
	if err != nil {
		return nil, fmt.Errorf("project %q: %w", c.Name, err)
	}
	return p, nil
}

func compile(c ProjectConfig) (*Project, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	p := &Project{
		name:           c.Name,
		anonymous:      c.Anonymous,
		issuer:         c.Issuer,
		audience:       c.Audience,
		userClaims:     slices.Clone(c.UserClaims),
		subscribeClaim: cmp.Or(c.SubscribeClaim, "subscribe"),
		closeOnExpiry:  c.CloseOnExpiry,
		style:          c.Style,
		patterns:       c.Patterns,
	}
	if len(p.userClaims) == 0 {
		p.userClaims = []string{"sub", "userName"}
	}
	if slices.Contains(p.userClaims, "") {
		return nil, errors.New("user_claims: found an empty name")
	}
	if len(c.Keys)+len(c.Providers) == 0 && !c.Anonymous {
		return nil, errors.New("keys: found none, so that nobody could connect; add one or set anonymous: true")
	}
	for _, k := range c.Keys {
		if k.ID != "" && slices.ContainsFunc(p.keys, func(o key) bool { return o.id == k.ID }) {
			return nil, fmt.Errorf("keys: found kid %q twice", k.ID)
		}
		parsed, err := parseKey(k)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		p.keys = append(p.keys, parsed)
	}
	for _, spec := range c.Providers {
		if err := jwks.CheckURL(cmp.Or(spec.URL, spec.Issuer)); err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if c.Sources != nil {
			p.sources = append(p.sources, c.Sources.Get(spec))
		}
	}
	var err error
	if p.apiKeys, err = newSecrets("api_keys", c.APIKeys); err != nil {
		return nil, err
	}
	rules := c.Subscribe
	if rules == nil {
		if c.Style == destination.Plain {
			return nil, errors.New(`subscribe: a project with plain destinations has no default, for example ["/topic/**", "/user/**"]`)
		}
		rules = []string{"/topic/{project}/**", "/user/**"}
	}
	if p.subscribe, err = parseRules(rules, p.name); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if p.send, err = compileSend(c.Send, p.name); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	p.examples = p.examplesOf(rules)
	return p, nil
}

const maxName = 64

// checkName keeps names usable in destinations, paths and file names.
func checkName(name string) error {
	for i := range len(name) {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fmt.Errorf("name: found %.80q, allowed are letters, digits, '-', '_' and '.', a letter or digit first", name)
		}
	}
	if name == "" || len(name) > maxName {
		return fmt.Errorf("name: found %d bytes, allowed are 1 to %d", len(name), maxName)
	}
	return nil
}

func parseRules(list []string, project string) ([]*destination.Rule, error) {
	rules := make([]*destination.Rule, 0, len(list))
	for _, s := range list {
		r, err := destination.ParseRule(s, project)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// Name returns the name.
func (p *Project) Name() string { return p.name }

// CloseOnExpiry says whether a session ends when its token expires.
func (p *Project) CloseOnExpiry() bool { return p.closeOnExpiry }

// Style is how the project names its destinations.
func (p *Project) Style() destination.Style { return p.style }

// Anonymous says whether clients without a token may connect.
func (p *Project) Anonymous() bool { return p.anonymous }

// Patterns says whether clients may subscribe to patterns.
func (p *Project) Patterns() bool { return p.patterns }

// Own says whether dest, a destination or a pattern, is in the project's name space.
func (p *Project) Own(dest string) bool { return p.style.Own(p.name, dest) }

// MaySubscribe says whether user ("" for nobody) may subscribe to exactly dest. g is the grant of its token. It does
// not allocate.
func (p *Project) MaySubscribe(user string, g *Grant, dest string) bool {
	return p.Own(dest) && allows(p.subscribe, dest, user) && (g == nil || allows(g.rules, dest, user))
}

func allows(rules []*destination.Rule, dest, user string) bool {
	for _, r := range rules {
		if r.Allows(dest, user) {
			return true
		}
	}
	return false
}

// MaySubscribePattern says whether user may subscribe to pat: all that it can match has to be allowed, by one of the
// project's rules and by one of the token's.
func (p *Project) MaySubscribePattern(user string, g *Grant, pat *destination.Pattern) bool {
	return p.patterns && p.Own(pat.String()) && allowsPattern(p.subscribe, pat, user) &&
		(g == nil || allowsPattern(g.rules, pat, user))
}

func allowsPattern(rules []*destination.Rule, pat *destination.Pattern, user string) bool {
	for _, r := range rules {
		if r.AllowsPattern(pat, user) {
			return true
		}
	}
	return false
}

// CheckAPIKey says whether key is one of the project's, in constant time.
func (p *Project) CheckAPIKey(key string) bool { return p.apiKeys.has(digest(key)) }

// sendRule is a compiled SendRule.
type sendRule struct {
	text    string // with {project} filled in
	literal int    // bytes of text before the first wildcard
	rule    *destination.Rule
	action  SendAction
}

func compileSend(list []SendRule, project string) ([]sendRule, error) {
	var rules []sendRule
	for _, s := range list {
		r, err := destination.ParseRule(s.Pattern, project)
		if err != nil {
			return nil, err
		}
		if r.NamesUser() {
			return nil, fmt.Errorf("rule %q: only {project} can stand here", s.Pattern)
		}
		if s.Action > Deny {
			return nil, fmt.Errorf("rule %q: found action %d, allowed are ignore, push, forward and deny", s.Pattern, s.Action)
		}
		text := strings.ReplaceAll(s.Pattern, "{project}", project)
		literal := strings.IndexAny(text, "*?")
		if literal < 0 {
			literal = len(text)
		}
		if slices.ContainsFunc(rules, func(o sendRule) bool { return o.text == text }) {
			return nil, fmt.Errorf("rule %q: found twice", s.Pattern)
		}
		rules = append(rules, sendRule{text: text, literal: literal, rule: r, action: s.Action})
	}
	slices.SortFunc(rules, moreSpecific)
	return rules, nil
}

// moreSpecific orders rules: without wildcards first, then by the length of the text before the first wildcard, then those
// without "**", those with fewer '*', and the longer ones. The text makes the order complete.
func moreSpecific(a, b sendRule) int {
	no := func(yes bool) int {
		if yes {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(no(a.literal == len(a.text)), no(b.literal == len(b.text))),
		cmp.Compare(b.literal, a.literal),
		cmp.Compare(no(!strings.Contains(a.text, "**")), no(!strings.Contains(b.text, "**"))),
		cmp.Compare(strings.Count(a.text, "*"), strings.Count(b.text, "*")),
		cmp.Compare(len(b.text), len(a.text)),
		cmp.Compare(a.text, b.text),
	)
}

// SendAction says what becomes of a SEND to dest: what the most specific rule says, else it is ignored. What lies
// outside of the project's name space is never pushed.
func (p *Project) SendAction(dest string) SendAction {
	for i := range p.send {
		if !p.send[i].rule.Allows(dest, "") {
			continue
		}
		if p.send[i].action == Push && !p.Own(dest) {
			return Ignore
		}
		return p.send[i].action
	}
	return Ignore
}
