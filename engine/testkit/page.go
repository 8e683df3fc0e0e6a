package testkit

import (
	"os"
	"regexp"
	"testing"
)

// Block returns a page's only block of code in a language.
func Block(t testing.TB, page, language string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks in %s, want one", page, len(found), language)
	}
	return string(found[0][1])
}
