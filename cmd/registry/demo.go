package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
	"rollcall/registry/httpapi"
)

const (
	demoPrefix = "/frontends"
	// demoTTL is how long a dead frontend stays in the registry: short enough to watch, long enough for a busy laptop.
	demoTTL = 5 * time.Second
	// demoStart bounds the time until everything is up.
	demoStart = 15 * time.Second
)

// demo shows the whole on one machine: a node, three frontends that register, lbsync, and HAProxy when it is there.
type demo struct {
	listen  string // HOST:PORT of the node
	balance string // IP:PORT of the balancer
	haproxy string // program
	version string
	out     io.Writer
	log     *slog.Logger
}

func newDemoCommand(app *cli) *cobra.Command {
	d := &demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all at work on this machine; Ctrl-C stops it",
		Long: `Start a registry node, three small frontends that register and heartbeat, lbsync, and
HAProxy when it is installed, all on loopback and all in memory, and print what to try.
Ctrl-C stops everything and leaves nothing behind.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				app.logging.level = "warn" // What happens is printed; the parts' own view of it would double that.
			}
			log, err := app.logging.logger(app.stderr)
			if err != nil {
				return err
			}
			d.version, d.out, d.log = app.build.Version, app.stdout, log
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&d.listen, "listen", "127.0.0.1:4001", "HOST:PORT of the registry node")
	cmd.Flags().StringVar(&d.balance, "balance", "127.0.0.1:8080", "IP:PORT of the load balancer")
	cmd.Flags().StringVar(&d.haproxy, "haproxy", "haproxy", "HAProxy's program")
	return cmd
}

// run shows the demo until ctx ends or a part of it fails. Parts start in the order of their needs and stop in reverse.
func (d *demo) run(ctx context.Context) (err error) {
	parts := newParts()
	defer func() { err = errors.Join(err, parts.stop()) }()

	dir, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return fmt.Errorf("directory for the demo: %w", err)
	}
	parts.onStop(func() error { return os.RemoveAll(dir) })
	node, err := d.startNode(ctx, parts)
	if err != nil {
		return err
	}
	frontends, err := d.startFrontends(ctx, parts, node.URL())
	if err != nil {
		return err
	}
	show := demoText{node: node.URL(), frontends: frontends, balance: d.balance}
	if err := d.startBalancer(ctx, parts, dir, &show); err != nil {
		return err
	}
	if err := show.print(d.out); err != nil {
		return err
	}
	parts.start(ctx, func(ctx context.Context) error { return d.printChanges(ctx, node.URL()) })
	return parts.wait(ctx)
}

func (d *demo) startNode(ctx context.Context, parts *parts) (*node, error) {
	n, err := newNode(ctx, nodeConfig{name: "demo", listen: d.listen, maxBody: httpapi.DefaultMaxBody}, d.version, d.log)
	if err != nil {
		return nil, fmt.Errorf("%w (choose another address with --listen)", err)
	}
	parts.start(ctx, n.Run)
	return n, nil
}

// startFrontends returns when all of them have registered.
func (d *demo) startFrontends(ctx context.Context, parts *parts, registry string) ([]*frontend, error) {
	var all []*frontend
	for _, name := range []string{"fe1", "fe2", "fe3"} {
		f, err := newFrontend(ctx, name, registry, d.log)
		if err != nil {
			return nil, fmt.Errorf("frontend %s: %w", name, err)
		}
		parts.start(ctx, f.run)
		if err := parts.waitFor(ctx, f.registered); err != nil {
			return nil, fmt.Errorf("frontend %s: %w", name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// startBalancer starts lbsync, which starts HAProxy once it has written the first configuration; without HAProxy it
// only shows what it would write.
func (d *demo) startBalancer(ctx context.Context, parts *parts, dir string, show *demoText) error {
	program, err := findHAProxy(d.haproxy)
	if err != nil {
		p := newPreview()
		if err := p.follow(ctx, parts, dir, d, show.node); err != nil {
			return err
		}
		show.preview = p.latest()
		return nil
	}
	if err := d.balancerPortFree(ctx); err != nil {
		return err
	}
	b := newBalancer(program, dir, d.balance)
	parts.start(ctx, b.run)
	show.config = b.config
	return b.follow(ctx, parts, d, show.node)
}

// balancerPortFree finds out before HAProxy does, which says it in more words.
func (d *demo) balancerPortFree(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", d.balance)
	if err != nil {
		return fmt.Errorf("load balancer: %w (choose another address with --balance)", err)
	}
	return l.Close()
}

// printChanges shows what happens in the registry. It gives the frontends' heartbeats no line: they are not news.
func (d *demo) printChanges(ctx context.Context, registry string) error {
	c, err := client.New([]string{registry}, client.Options{})
	if err != nil {
		return err
	}
	w := c.Watch(demoPrefix, client.WatchOptions{Recursive: true})
	for ctx.Err() == nil {
		change, err := w.Next(ctx)
		switch {
		case err == nil:
			line := fmt.Sprintf("%s  [%s] %s %s", time.Now().Format(time.TimeOnly), change.Action, change.Node.Key, change.Node.Value)
			fmt.Fprintln(d.out, strings.TrimSpace(line))
		case ctx.Err() == nil:
			return fmt.Errorf("watch %s: %w", demoPrefix, err)
		}
	}
	return nil
}
