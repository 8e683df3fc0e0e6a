package librdkafka

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// This package's declarations of librdkafka are equal to those in the header of the linked library.
func TestLayout(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/confluentinc/confluent-kafka-go/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	vendored := filepath.Join(strings.TrimSpace(string(out)), "kafka", "librdkafka_vendor")
	compile := func(source string) ([]byte, error) {
		return exec.Command("gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-I"+vendored, source).CombinedOutput()
	}
	if out, err := compile("testdata/layout.c"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// The comparison can fail: with a field of another size, and with a prototype that differs.
	for _, broken := range []struct{ file, old, new string }{
		{"types.h", "int32_t partition;\n\tvoid *payload;", "int64_t partition;\n\tvoid *payload;"},
		{"types.h", "EVENT_ERROR = 0x8", "EVENT_ERROR = 0x10"},
		{"functions.h", "rd_kafka_queue_poll(rd_kafka_queue_t *, int", "rd_kafka_queue_poll(rd_kafka_queue_t *, long"},
	} {
		dir := t.TempDir()
		for _, name := range []string{"types.h", "functions.h", "testdata/layout.c"} {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if name == broken.file {
				if !strings.Contains(string(text), broken.old) {
					t.Fatalf("%s does not contain %q", name, broken.old)
				}
				text = []byte(strings.Replace(string(text), broken.old, broken.new, 1))
			}
			to := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := compile(filepath.Join(dir, "testdata/layout.c")); err == nil {
			t.Errorf("%q in %s was not noticed", broken.new, broken.file)
		}
	}
}
