package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"stentor/kafka"
)

// version and revision are set by the build: -ldflags "-X main.version=1.2.3 -X main.revision=...". A build without them takes
// the revision from Go's own stamp, if there is one.
var version, revision string

// buildInfo is what `version --json` prints.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // the source had uncommitted changes
	Time     string `json:"time,omitempty"`     // of the revision
	Go       string `json:"go"`
	Kafka    string `json:"librdkafka"` // the version that is linked
	Platform string `json:"platform"`
}

func readBuildInfo() buildInfo {
	b := buildInfo{Version: version, Revision: revision, Go: runtime.Version(), Kafka: kafka.LibraryVersion(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if b.Version == "" && ok {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			if b.Revision == "" {
				b.Revision = s.Value
			}
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

func newVersionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Prints the version of this program, the source revision that it was built from, and the versions of Go and librdkafka.

  stentor version --json | jq -r .version`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuildInfo()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			text := "stentor " + b.Version
			if b.Revision != "" {
				text += " (" + b.Revision[:min(12, len(b.Revision))]
				if b.Modified {
					text += ", modified"
				}
				text += ")"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s librdkafka %s %s\n", text, b.Go, b.Kafka, b.Platform)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
