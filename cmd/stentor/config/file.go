package config

import (
	"bytes"
	"os"
)

// byteOrderMark is what some editors put before UTF-8 text. It is not part of the text.
var byteOrderMark = []byte("\xEF\xBB\xBF")

// ReadFile reads a text file: a configuration, keys, a secret.
func ReadFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	return bytes.TrimPrefix(text, byteOrderMark), err
}
