package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
)

const usualFile = "stentor.yaml"

func newConfigCmd() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "Write and check configuration files",
		Long: `A configuration is one YAML file. Every key can also be set from the environment or with --set:

  file         limits: {client_frame_bytes: 64KiB}
  environment  STENTOR_LIMITS_CLIENT_FRAME_BYTES=64KiB
  flag         --set limits.client_frame_bytes=64KiB

The flag wins over the environment, the environment over the file, the file over the default.
In the file, ${NAME} in a value stands for an environment variable.`,
	})
	cmd.AddCommand(newConfigInitCmd(), newConfigCheckCmd())
	return cmd
}

func newConfigInitCmd() *cobra.Command {
	var force, registry bool
	cmd := &cobra.Command{
		Use:   "init [file]",
		Short: "Write a complete, commented configuration",
		Long: `Writes a configuration with every key, its default, and what it means. It works as it is: its project
"shop" has new random keys.

  stentor config init                      # prints it
  stentor config init stentor.yaml         # writes a new file, readable by you alone
  stentor config init --force stentor.yaml # replaces the file
  stentor config init --registry registry.yaml

--registry writes one of a registry, which has the brokers and the cluster's key of the nodes.`,
		Args: usageArgs(0, 1, "the file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, start := config.Template(), "start a node with: stentor serve"
			if registry {
				text, start = config.RegistryTemplate(), "set kafka.brokers, make cluster.key_file the key of the nodes, then start a registry with: stentor registry"
			}
			if len(args) == 0 {
				_, err := cmd.OutOrStdout().Write(text)
				return err
			}
			if err := writeNew(args[0], text, 0o600, force); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s; %s --config %s\n", args[0], start, args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	cmd.Flags().BoolVar(&registry, "registry", false, "the configuration is of a registry, not of a node")
	return cmd
}

// writeNew writes a file with the given mode, whatever the umask. It replaces an existing file only with force.
func writeNew(name string, text []byte, mode fs.FileMode, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s already exists; --force replaces it", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// checkResult is what `config check --json` prints.
type checkResult struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Projects []string         `json:"projects"`
	Problems []config.Problem `json:"problems"`
	Warnings []config.Problem `json:"warnings"`            // what works but is dangerous; only checked when there are no problems
	NotAsked []string         `json:"not_asked,omitempty"` // identity providers: whether they answer, and with which keys, is not known
}

func newConfigCheckCmd() *cobra.Command {
	var asJSON, registry bool
	var settings []string
	cmd := &cobra.Command{
		Use:   "check [file]",
		Short: "Check a configuration, with the keys and secrets that it names",
		Long: `Reads a configuration as "stentor serve" does, with the environment and the same --set flags, and the
files that it names. It reports all mistakes, each with its place, its key, what was found and what is allowed.
It warns of short keys, credentials that two projects share, files with secrets that everybody can read, and endpoints
that would refuse every web page. Identity providers (jwks_url, issuer_url) are not asked for their keys: the log of
a node and its metrics stentor_keys_... say whether they answer.

  stentor.yaml:9: limits.client_frame_bytes: found "64kb", allowed: bytes, also as 64KiB or 1MiB, 1KiB to 64MiB

Examples:

  stentor config check                     # ` + usualFile + ` of this directory
  stentor config check /etc/stentor.yaml --set log.level=debug
  stentor config check --registry ` + usualRegistryFile + `
  stentor config check --json | jq '.problems[].key'`,
		Args: usageArgs(0, 1, "the file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := checkResult{File: usualFile}
			if registry {
				r.File = usualRegistryFile
			}
			if len(args) == 1 {
				r.File = args[0]
			}
			r.Projects, r.Problems, r.Warnings = []string{}, []config.Problem{}, []config.Problem{}
			err, valid := error(nil), " for a registry"
			if registry {
				cfg, e := config.CheckRegistry(r.File, os.Environ(), settings)
				if err = e; err == nil {
					r.Warnings = append(r.Warnings, cfg.Dated(time.Now())...)
				}
			} else if cfg, e := config.Check(r.File, os.Environ(), settings); e != nil {
				err = e
			} else {
				r.Projects = cfg.ProjectNames()
				r.Warnings = append(append(r.Warnings, cfg.Warnings()...), cfg.Dated(time.Now())...)
				valid = "; projects: " + strings.Join(r.Projects, ", ")
				if r.NotAsked = append(r.NotAsked, cfg.Providers()...); len(r.NotAsked) > 0 {
					valid += "; not asked for their keys: " + strings.Join(r.NotAsked, ", ")
				}
			}
			if !asJSON {
				for _, w := range r.Warnings {
					_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
				}
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid%s\n", r.File, valid)
				}
				return err
			}
			r.OK = err == nil
			var problems config.Problems
			if errors.As(err, &problems) {
				r.Problems = problems
				err = fmt.Errorf("%d problems in %s", len(problems), r.File)
			}
			return errors.Join(json.NewEncoder(cmd.OutOrStdout()).Encode(r), err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&registry, "registry", false, "the configuration is of a registry, not of a node")
	addSetFlag(cmd, &settings)
	return cmd
}

// addSetFlag adds --set.
func addSetFlag(cmd *cobra.Command, settings *[]string) {
	cmd.Flags().StringArrayVar(settings, "set", nil, "set a key of the configuration, as in limits.connections=5000 (repeatable)")
}
