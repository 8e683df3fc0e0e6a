package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stentor/engine/admin"
)

type sessionsFlags struct {
	apiFlags
	user, destination, id, after string
	address                      string
	limit                        int
	all                          bool
}

// pageSize is how many sessions --all requests at a time: the API's maximum.
const pageSize = 1000

func newSessionsCmd() *cobra.Command {
	var f sessionsFlags
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List the sessions of a project",
		Long: `Lists the sessions of a project on all nodes of a cluster, or with --local of one: who is connected since when, with
how many subscriptions, how many messages wait for them (BEHIND), how many bytes they have not read yet (BUFFERED),
and on which node.

  stentor sessions -p demo --key demo-key
  stentor sessions -p demo --key demo-key --user ann
  stentor sessions -p demo --key demo-key --destination /topic/demo/all --limit 20

--limit bounds a page. If more follow, the cursor of the next page is printed:

  stentor sessions -p demo --key demo-key --after CURSOR

--json prints one session a line, with its subscriptions; --all goes through all pages:

  stentor sessions -p demo --key demo-key --all --json | jq -r 'select(.buffered > 10000) | .id'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.finish(cmd.OutOrStdout(), f.list(cmd))
		},
	}
	f.add(cmd)
	f.addLocal(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.user, "user", "", "only sessions of this user")
	flags.StringVar(&f.destination, "destination", "", "only sessions subscribed to this destination")
	flags.StringVar(&f.address, "address", "", "only sessions from this address, or from this network, as in 203.0.113.0/24")
	flags.StringVar(&f.id, "id", "", "only this session")
	flags.IntVar(&f.limit, "limit", 100, "sessions per page")
	flags.StringVar(&f.after, "after", "", "cursor that the previous page printed")
	flags.BoolVar(&f.all, "all", false, "all pages")
	return cmd
}

func (f *sessionsFlags) list(cmd *cobra.Command) error {
	if f.all {
		f.limit = pageSize
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	if !f.asJSON {
		fmt.Fprintln(table, "SESSION\tUSER\tADDRESS\tSINCE\tSTOMP\tTRANSPORT\tSUBSCRIPTIONS\tBEHIND\tBUFFERED\tNODE")
	}
	var missing []admin.Missing
	defer func() { tellMissing(cmd, missing) }()
	for {
		page, err := f.page(cmd)
		if err != nil {
			return err
		}
		if f.asJSON {
			err = writeLines(cmd.OutOrStdout(), page.Sessions)
		} else {
			err = writeTable(table, page.Sessions)
		}
		if err != nil {
			return err
		}
		missing = merged(missing, page.Missing)
		f.after = page.Next
		if !f.all || f.after == "" {
			break
		}
	}
	if f.after != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "more follow: --after %s\n", f.after)
	}
	return nil
}

// page requests one page.
func (f *sessionsFlags) page(cmd *cobra.Command) (admin.SessionPage, error) {
	query := f.query()
	query.Set("limit", strconv.Itoa(f.limit))
	for name, value := range map[string]string{"user": f.user, "destination": f.destination, "address": f.address, "id": f.id, "after": f.after} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var page admin.SessionPage
	text, err := f.call(cmd.Context(), "GET", "/sessions", query, nil)
	if err != nil {
		return page, err
	}
	return page, readJSON(text, &page)
}

func writeLines(out io.Writer, sessions []admin.Session) error {
	e := json.NewEncoder(out)
	for i := range sessions {
		if err := e.Encode(&sessions[i]); err != nil {
			return err
		}
	}
	return nil
}

func writeTable(table *tabwriter.Writer, sessions []admin.Session) error {
	for i := range sessions {
		s := &sessions[i]
		behind := 0
		for _, sub := range s.Subscriptions {
			behind += sub.Behind
		}
		user := printable(s.User)
		if user == "" {
			user = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", s.ID, user, s.Address, s.Since.Local().Format(time.DateTime),
			s.Version, cmp.Or(s.Transport, "-"), len(s.Subscriptions), behind, s.Buffered, cmp.Or(s.Node, "-"))
	}
	return table.Flush()
}
