package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stentor/cmd/stentor/config"
)

// usageError is a mistake in the command line itself.
type usageError struct{ text string }

// Error returns the text.
func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("found %q, allowed: flags only", args[0])
	}
	return nil
}

// usageArgs allows least to most arguments; a most of 0 means any number. what describes one of them.
func usageArgs(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s is missing", what)
		case most > 0 && len(args) > most:
			return usagef("found %d arguments, allowed: %d, %s", len(args), most, what)
		}
		return nil
	}
}

// kinds describe the values of each type of flag.
var kinds = map[string]string{"int": "a whole number", "int64": "a whole number", "duration": "a duration, as in 500ms, 10s or 5m", "bool": "true or false"}

// flagError explains a mistake in the flags of cmd.
func flagError(cmd *cobra.Command, err error) error {
	if before := cmd.Flags().Args(); cmd.HasSubCommands() && len(before) > 0 {
		return cmd.Args(cmd, before) // a misspelt command, whose flags are unknown too
	}
	var (
		unknown *pflag.NotExistError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := config.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return usagef("%v, did you mean --%s?", err, near)
		}
	case errors.As(err, &invalid) && kinds[invalid.GetFlag().Value.Type()] != "":
		return usagef("--%s: found %q, allowed: %s", invalid.GetFlag().Name, invalid.GetValue(), kinds[invalid.GetFlag().Value.Type()])
	}
	return usagef("%v", err)
}

// group makes cmd a mere parent of other commands: alone it prints its help, and an unknown command below it is a
// mistake.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usagef("unknown command %q, did you mean %s?", args[0], strings.Join(near, " or "))
		}
		return usagef("unknown command %q", args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// pairs reads the key=value arguments of a repeatable flag.
func pairs(flag string, list []string) ([][2]string, error) {
	var all [][2]string
	for _, kv := range list {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, usagef("--%s: found %q, allowed: name=value", flag, kv)
		}
		all = append(all, [2]string{key, value})
	}
	return all, nil
}
