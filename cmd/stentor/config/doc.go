// Package config holds Stentor's configuration: its tree of keys, and how a tree is read, checked and explained.
//
// The structs in config.go are the only place where a key is described. Their tags carry its name, default, allowed
// values and explanation, and drive everything else: the decoder of the YAML file, the environment variables
// (STENTOR_ and the key's path, as in STENTOR_LIMITS_CLIENT_FRAME_BYTES), --set, the error texts and the commented
// file of `stentor config init`.
//
// The last of these wins: default, file, environment, --set. All mistakes are reported at
// once, each with its place:
//
//	stentor.yaml:9: limits.client_frame_bytes: found "64kb", allowed: bytes, also as 64KiB or 1MiB, 1KiB to 64MiB
//	STENTOR_LOG_LEVEL: log.level: found "loud", allowed: debug, info, warn, error
package config
