package destination

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		dest string
		want error
	}{
		{"/", nil},
		{"/topic/shop/all", nil},
		{"/topic/shop/shanghai/", nil},
		{"/topic/广播/é 😀", nil},
		{"/topic/\uFFFD", nil},
		{"/" + strings.Repeat("a", MaxBytes-1), nil},
		{"/" + strings.Repeat("a", MaxBytes), ErrTooLong},
		{"", ErrNoSlash},
		{"topic/a", ErrNoSlash},
		{"/a\xff", ErrNotUTF8},
		{"/\xed\xa0\x80", ErrNotUTF8},
		{"/a\x00", ErrControls},
		{"/a\nb", ErrControls},
		{"/a\x7f", ErrControls},
		{"/a\u0085", ErrControls},
	} {
		if err := Check(c.dest); !errors.Is(err, c.want) {
			t.Errorf("Check(%.40q) = %v, want %v", c.dest, err, c.want)
		}
	}
}

func TestOwn(t *testing.T) {
	for _, c := range []struct {
		style   Style
		project string
		dest    string
		want    bool
	}{
		{Prefixed, "shop", "/topic/shop/all", true},
		{Prefixed, "shop", "/topic/shop/", true},
		{Prefixed, "shop", "/topic/shop/**", true},
		{Prefixed, "shop", "/topic/shop", false},
		{Prefixed, "shop", "/topic/shopping/all", false},
		{Prefixed, "shop", "/topic/other/all", false},
		{Prefixed, "shop", "/topic//shop/all", false},
		{Prefixed, "shop", "/topic/*/all", false},
		{Prefixed, "shop", "/topic/sho?/all", false},
		{Prefixed, "shop", "/**", false},
		{Prefixed, "shop", "/queue/shop/all", false},
		{Prefixed, "shop", "topic/shop/all", false},
		{Prefixed, "", "/topic//all", false},
		{Prefixed, "shop", "/user/queue/orders", true},
		{Prefixed, "shop", "/user/**", true},
		{Prefixed, "shop", "/user", false},
		{Prefixed, "shop", "/use?/queue", false},
		{Plain, "shop", "/topic/all", true},
		{Plain, "shop", "/topic/**", true},
		{Plain, "shop", "/queue/all", true},
		{Plain, "shop", "/topic", false},
		{Plain, "shop", "/topics/all", false},
		{Plain, "shop", "/app/all", false},
		{Plain, "shop", "/*/all", false},
		{Plain, "shop", "/user/queue/orders", true},
		{Plain, "shop", "", false},
	} {
		if got := c.style.Own(c.project, c.dest); got != c.want {
			t.Errorf("style %d: Own(%q, %q) = %v", c.style, c.project, c.dest, got)
		}
	}
}

func TestIsPattern(t *testing.T) {
	for dest, want := range map[string]bool{"/a/b": false, "/a/{b}": false, "/a/*": true, "/a/?": true, "/**": true, "": false} {
		if IsPattern(dest) != want {
			t.Errorf("IsPattern(%q) = %v", dest, !want)
		}
	}
}

func TestEscapeUser(t *testing.T) {
	for user, want := range map[string]string{"bob": "bob", "a/b//": "a%2Fb%2F%2F", "": "", "*": "*"} {
		if got := EscapeUser(user); got != want {
			t.Errorf("EscapeUser(%q) = %q", user, got)
		}
	}
}
