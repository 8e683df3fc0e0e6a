package main

import (
	"github.com/spf13/cobra"
)

const (
	groupNode   = "node"
	groupClient = "client"
)

func newRootCmd() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "stentor",
		Short: "Push messages to many WebSocket clients",
		Long: `Stentor is a push server. Back ends post a message over HTTP, and Stentor delivers it to
every client that has subscribed to its destination over WebSocket and STOMP.

Try it on one machine, in three terminals:

  stentor serve --dev
  stentor sub --project demo /topic/demo/all
  stentor push --project demo --key demo-key --topic all 'hello'

Then write a configuration of your own:

  stentor config init stentor.yaml
  stentor config check stentor.yaml
  stentor serve --config stentor.yaml

Exit codes: 0 success, 1 failure, 2 wrong command line.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: groupNode, Title: "Commands for the server:"}, &cobra.Group{ID: groupClient, Title: "Commands that talk to a server:"})
	add := func(id string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	add(groupNode, newServeCmd(), newRegistryCmd(), newClusterCmd(), newConfigCmd(), newDoctorCmd(), newTokenCmd(), newProviderCmd(), newProxyConfigCmd(), newVersionCmd())
	add(groupClient, newPushCmd(), newSubCmd(), newSessionsCmd(), newKickCmd(), newNodesCmd(), newDrainCmd(), newRebalanceCmd())
	return root
}
