package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

// completionTimeout is how long a shell may hang at a tab.
const completionTimeout = time.Second

// completeKeys offers the keys that begin with the word so far, one level at a time. Whatever goes wrong, it offers
// nothing: a shell has no place for errors.
func completeKeys(app *cli, flags *keyFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if err := app.prepare(cmd); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		keys := childKeys(ctx, app, flags, word)
		if len(keys) == 1 && strings.HasSuffix(keys[0], "/") {
			return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return keys, cobra.ShellCompDirectiveNoFileComp
	}
}

// childKeys lists the directory that the word is in. Directories end in a slash, so that the next tab goes on there.
// The leading slash is as optional as in a request.
func childKeys(ctx context.Context, app *cli, flags *keyFlags, word string) []string {
	c, err := flags.client(app)
	if err != nil {
		return nil
	}
	dir := word[:strings.LastIndex(word, "/")+1]
	resp, err := c.Get(ctx, dir, client.GetOptions{Sorted: true})
	if err != nil {
		return nil
	}
	var keys []string
	for _, n := range resp.Node.Nodes {
		key := n.Key
		if !strings.HasPrefix(word, "/") {
			key = strings.TrimPrefix(key, "/")
		}
		if n.Dir {
			key += "/"
		}
		if strings.HasPrefix(key, word) {
			keys = append(keys, key)
		}
	}
	return keys
}
