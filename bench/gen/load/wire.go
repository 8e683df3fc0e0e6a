package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Encode returns the Spec for another host, with the contents of files instead of their names.
func (s *Spec) Encode() ([]byte, error) {
	c := *s
	for _, f := range []struct {
		flag, path string
		to         *string
		trim       string
	}{
		{"--key", c.Key, &c.KeyText, ""}, {"--ca", c.CA, &c.CAText, ""},
		{"--secret-file", c.SecretFile, &c.Secret, "\r\n"}, {"--api-key-file", c.APIKeyFile, &c.APIKey, " \t\r\n"},
	} {
		if f.path == "" {
			continue
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.flag, err)
		}
		*f.to = strings.TrimRight(string(b), f.trim)
	}
	c.Key, c.CA, c.SecretFile, c.APIKeyFile = "", "", "", ""
	return json.Marshal(&c)
}

// Decode reads what Encode wrote, and trusts none of it: values are held to what the flags allow, and nothing may make this
// host read a file or start a program.
func Decode(text []byte) (*Spec, error) {
	s, flags := NewSpec()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("specification: %w", err)
	}
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(*value); ok {
			if err := v.Set(v.String()); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
			}
		}
	})
	for flag, path := range map[string]string{"key": s.Key, "ca": s.CA, "secret-file": s.SecretFile, "api-key-file": s.APIKeyFile} {
		if path != "" {
			problems = append(problems, fmt.Errorf("%s: names a file, and this host reads none for others", flag))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.KafkaProperty)) {
		if !harmless[name] {
			problems = append(problems, fmt.Errorf("kafka-property: %s is not allowed from another host, only %s", name, strings.Join(slices.Sorted(maps.Keys(harmless)), ", ")))
		}
	}
	return s, errors.Join(problems...)
}

// harmless are the properties of librdkafka that neither name a file nor start a program.
var harmless = map[string]bool{
	"security.protocol": true, "sasl.mechanism": true, "sasl.mechanisms": true, "sasl.username": true, "sasl.password": true,
	"ssl.ca.pem": true, "ssl.certificate.pem": true, "ssl.key.pem": true, "enable.ssl.certificate.verification": true,
	"ssl.endpoint.identification.algorithm": true, "client.id": true, "acks": true, "linger.ms": true, "batch.size": true,
	"compression.type": true, "compression.codec": true, "message.max.bytes": true, "message.timeout.ms": true, "request.timeout.ms": true,
}
