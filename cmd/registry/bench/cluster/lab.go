package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// A lab is a network namespace for each node, with two interfaces: "gossip" is at a bridge with those of the other nodes,
// "clients" leads to us. The addresses are of the ranges that RFC 2544 sets aside for benchmarks.
type lab struct {
	prefix string // of the names of its namespaces
	made   []string
	sites  []site
}

func (b *bench) newLab(ctx context.Context) (*lab, error) {
	l := &lab{prefix: fmt.Sprintf("rollcall-bench-%d", os.Getpid())}
	hub := l.prefix + "-hub"
	if err := l.addNamespace(ctx, hub); err != nil {
		return l, err
	}
	err := ipAll(ctx,
		[]string{"-n", hub, "link", "add", "bridge", "type", "bridge"},
		[]string{"-n", hub, "link", "set", "bridge", "up"})
	if err != nil {
		return l, err
	}
	for i := range nodes {
		s, err := b.newSite(ctx, fmt.Sprintf("n%d", i+1))
		if err != nil {
			return l, err
		}
		s.ns = fmt.Sprintf("%s-%d", l.prefix, i+1)
		if err := l.addNamespace(ctx, s.ns); err != nil {
			return l, err
		}
		if err := l.connect(ctx, hub, s.ns, i+1); err != nil {
			return l, err
		}
		s.peer = fmt.Sprintf("198.19.0.%d:7946", i+1)
		s.client = fmt.Sprintf("198.18.%d.2:4001", i+1)
		s.pprof = "127.0.0.1:6060"
		l.sites = append(l.sites, s)
	}
	return l, nil
}

func (l *lab) addNamespace(ctx context.Context, name string) error {
	if err := ipAll(ctx, []string{"netns", "add", name}); err != nil {
		return err
	}
	l.made = append(l.made, name)
	return nil
}

// connect gives a namespace its interfaces. The pairs of interfaces go with the namespaces.
func (l *lab) connect(ctx context.Context, hub, ns string, number int) error {
	port, outside := fmt.Sprintf("node%d", number), fmt.Sprintf("rcb%d-%d", os.Getpid()%100_000, number)
	gossip, inside := fmt.Sprintf("198.19.0.%d/24", number), fmt.Sprintf("198.18.%d.2/30", number)
	return ipAll(ctx,
		[]string{"-n", hub, "link", "add", port, "type", "veth", "peer", "name", "gossip", "netns", ns},
		[]string{"-n", hub, "link", "set", port, "master", "bridge", "up"},
		[]string{"-n", ns, "addr", "add", gossip, "dev", "gossip"},
		[]string{"-n", ns, "link", "set", "gossip", "up"},
		[]string{"-n", ns, "link", "set", "lo", "up"},
		[]string{"link", "add", outside, "type", "veth", "peer", "name", "clients", "netns", ns},
		[]string{"addr", "add", fmt.Sprintf("198.18.%d.1/30", number), "dev", outside},
		[]string{"link", "set", outside, "up"},
		[]string{"-n", ns, "addr", "add", inside, "dev", "clients"},
		[]string{"-n", ns, "link", "set", "clients", "up"})
}

// sent is the bytes that all nodes have sent to each other, as the kernel counts them.
func (l *lab) sent(ctx context.Context) (float64, error) {
	var sum float64
	for _, s := range l.sites {
		output, err := exec.CommandContext(ctx, "ip", "-n", s.ns, "-json", "-statistics", "link", "show", "dev", "gossip").Output()
		if err != nil {
			return 0, err
		}
		sent, err := parseSent(output)
		if err != nil {
			return 0, err
		}
		sum += sent
	}
	return sum, nil
}

// parseSent reads what ip tells about one interface.
func parseSent(output []byte) (float64, error) {
	var links []struct {
		Stats struct {
			Tx struct {
				Bytes *float64 `json:"bytes"`
			} `json:"tx"`
		} `json:"stats64"`
	}
	if err := json.Unmarshal(output, &links); err != nil {
		return 0, fmt.Errorf("parse the counters of an interface: %w", err)
	}
	if len(links) != 1 || links[0].Stats.Tx.Bytes == nil {
		return 0, fmt.Errorf("parse the counters of an interface: none in %.200s", output)
	}
	return *links[0].Stats.Tx.Bytes, nil
}

// close removes the namespaces and with them the interfaces, also when ctx has ended.
func (l *lab) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, name := range l.made {
		_ = ipAll(ctx, []string{"netns", "del", name}) // There is nobody to tell.
	}
}

func ipAll(ctx context.Context, commands ...[]string) error {
	for _, args := range commands {
		if output, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, output)
		}
	}
	return nil
}
