package config

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"

	"stentor/engine/loop"
	"stentor/engine/sockjs"
)

// Warnings returns what works, but is dangerous or useless: short API keys, credentials that two projects share, files with
// secrets that every user of the host can read, endpoints that refuse every page or admit sandboxed ones, providers whose tokens need no audience. It reads the files that keys name;
// ProjectConfigs reports what is wrong with them.
func (c *Config) Warnings() []Problem {
	w := warner{validator: newValidator(c), holders: map[[sha256.Size]byte]string{}}
	if file := c.origins[""].where; c.secretIn(file) {
		w.readable("", file)
	}
	for _, name := range c.ProjectNames() {
		w.project(join("projects", name), c.Projects[name])
	}
	w.apiKeys("admin_keys", c.AdminKeys, "admin_keys_file", c.AdminKeysFile)
	w.cluster()
	w.sandboxes()
	w.tls()
	w.pages()
	w.sockJS()
	w.state()
	slices.SortStableFunc(w.warnings, func(a, b Problem) int { return a.line - b.line })
	return w.warnings
}

// secretIn reports whether the text of file contains a secret, which may also have come from the environment.
func (c *Config) secretIn(file string) (found bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	c.walk(func(p place) {
		if !p.field.secret {
			return
		}
		words, ok := p.value.Interface().([]string)
		if !ok {
			words = []string{fmt.Sprint(p.value.Interface())}
		}
		for _, word := range words {
			found = found || word != "" && bytes.Contains(text, []byte(word))
		}
	})
	return found
}

type warner struct {
	validator
	warnings []Problem
	holders  map[[sha256.Size]byte]string // the first key that has each credential
}

func (w *warner) warn(path, format string, args ...any) {
	o := w.origin(path)
	w.warnings = append(w.warnings, Problem{Where: o.where, Key: path, Text: fmt.Sprintf(format, args...), line: o.line})
}

func (w *warner) project(at string, p *Project) {
	for i := range p.Keys {
		k, path := &p.Keys[i], item(at+".keys", i)
		switch {
		case k.Provider() && p.Audience == "":
			w.warn(path, "the provider's tokens for other applications are accepted as well, better: the project's audience")
		case k.Secret != "":
			w.shared(path+".secret", at, []byte(k.Secret))
		case k.SecretFile != "":
			w.readable(path+".secret_file", w.File(k.SecretFile))
			w.shared(path+".secret_file", at, Secret(w.read(path, k.SecretFile)))
		}
	}
	w.apiKeys(at+".api_keys", p.APIKeys, at+".api_keys_file", p.APIKeysFile)
}

// shortKey is the length below which an API key may be guessed: 16 characters of base64 are 96 bits.
const shortKey = 16

func (w *warner) apiKeys(path string, keys []string, filePath, file string) {
	if file != "" {
		w.readable(filePath, w.File(file))
	}
	for i, key := range w.withFile(keys, filePath, file) {
		at := filePath
		if i < len(keys) {
			at = w.itemPath(path, i)
		}
		if len(key) < shortKey {
			w.warn(at, "a key of %d characters can be guessed, better: at least %d random ones", len(key), shortKey)
		}
		w.shared(at, path, []byte(key))
	}
}

// shared warns of a credential that another owner also has. Owners are projects, separately for verifying and for pushing,
// and the administrators.
func (w *warner) shared(path, owner string, secret []byte) {
	if len(secret) == 0 {
		return
	}
	sum := sha256.Sum256(secret)
	switch other := w.holders[sum]; other {
	case "":
		w.holders[sum] = owner
	case owner:
	default:
		w.warn(path, "%s has the same secret, so whoever has one has both, better: a secret of its own", other)
	}
}

// readable warns of a file with secrets that every user of the host can read.
func (w *warner) readable(path, file string) {
	info, err := os.Stat(file)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		w.warn(path, "every user of this host can read the secrets in %q (mode %04o), better: chmod o-r", file, info.Mode().Perm())
	}
}

// sandboxes warns of the origin null.
func (w *warner) sandboxes() {
	for i := range w.Endpoints {
		for j, one := range w.Endpoints[i].Origins {
			if one == "null" {
				w.warn(w.itemPath(item("endpoints", i)+".origins", j), "every page can send this origin, from a sandboxed frame, as with \"*\", better: the origin of the app, as in file:// or capacitor://localhost")
			}
		}
	}
}

// pages warns of endpoints without origins on a node without listen.names. Pages of another host are refused anyway. A page of
// the node itself is accepted over TLS, as reported by a trusted proxy, under an address, or under one of listen.names. Nodes
// of a cluster have names; a single node may be meant for applications, or for this machine.
func (w *warner) pages() {
	if w.warnsOfPages() || w.Bus != "kafka" || len(w.Listen.Names) > 0 || len(w.Listen.TrustedProxies) > 0 {
		return
	}
	if !slices.ContainsFunc(w.Listen.Client, direct) {
		return
	}
	for i := range w.Endpoints {
		if len(w.Endpoints[i].Origins) == 0 {
			path := item("endpoints", i) + ".origins"
			w.warn(path, "web pages are refused with 403 if browsers load them over plain HTTP by a name of the node: the page's origin is not in this list, nor the name in listen.names, better: the origins of your pages")
		}
	}
}

// sockJS warns of endpoints in a cluster whose sessions of SockJS over HTTP are not sent to the node that has them.
func (w *warner) sockJS() {
	var paths []string
	for _, e := range w.Endpoints {
		paths = append(paths, e.Path)
	}
	for i, e := range w.Endpoints {
		ends := func(url string) bool { return sockjs.Leads(url, e.Path, paths) }
		if w.Bus == "kafka" && e.SockJS && !slices.ContainsFunc(w.Advertise.Clients, ends) {
			w.warn(item("endpoints", i)+".sockjs", "sessions of SockJS over HTTP find their node only if a proxy keeps them there (stentor proxy-config --sockjs): no URL of advertise.clients ends in this path, better: one that does")
		}
	}
}

// direct reports whether clients of other hosts connect here without a proxy.
func direct(listener string) bool {
	l, err := loop.ParseListener(listener)
	return err == nil && l.Path == "" && !l.ProxyProtocol && !l.Address.Addr().IsLoopback()
}
