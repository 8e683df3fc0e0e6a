package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"stentor/engine/admin"
)

// kickResult is what `kick --json` prints.
type kickResult struct {
	Kicked  int             `json:"kicked"`
	Missing []admin.Missing `json:"missing,omitempty"` // nodes that did not answer
}

func newKickCmd() *cobra.Command {
	var f apiFlags
	var users []string
	var reason string
	cmd := &cobra.Command{
		Use:   "kick [session...]",
		Short: "Close sessions of a project",
		Long: `Closes sessions by their id, or all sessions of a user, on whichever nodes of a cluster they are. Clients may
reconnect: only an invalid token keeps them out. --local asks the node alone.

  stentor kick -p demo --key demo-key SESSION
  stentor kick -p demo --key demo-key --user ann`,
		RunE: func(cmd *cobra.Command, sessions []string) error {
			if len(sessions) == 0 && len(users) == 0 {
				return usagef("name sessions, or give --user")
			}
			var paths []string
			for _, s := range sessions {
				paths = append(paths, "/sessions/"+url.PathEscape(s))
			}
			for _, u := range users {
				paths = append(paths, "/users/"+url.PathEscape(u)+"/sessions")
			}
			query := f.query()
			if reason != "" {
				query.Set("reason", reason)
			}
			var sum kickResult
			for _, path := range paths {
				var one kickResult
				text, err := f.call(cmd.Context(), "DELETE", path, query, nil)
				if err != nil {
					return f.finish(cmd.OutOrStdout(), err)
				}
				if err := readJSON(text, &one); err != nil {
					return err
				}
				sum.Kicked += one.Kicked
				sum.Missing = merged(sum.Missing, one.Missing)
			}
			tellMissing(cmd, sum.Missing)
			if f.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(sum)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sessions closed: %d\n", sum.Kicked)
			return err
		},
	}
	f.add(cmd)
	f.addLocal(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the client's close frame and the log")
	cmd.Flags().StringArrayVar(&users, "user", nil, "close all sessions of this user (repeatable)")
	return cmd
}
