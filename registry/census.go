package registry

import "strings"

// maxPrefixes is how many top-level names are counted apart, so that metrics stay bounded.
const maxPrefixes = 100

// PrefixStats are the entries with a value at and below a top-level name.
type PrefixStats struct {
	Files  int
	Leases int // of them
}

func (p PrefixStats) isZero() bool { return p == PrefixStats{} }

func (p *PrefixStats) count(n *Node, by int) {
	p.Files += by
	if n.HasLease() {
		p.Leases += by
	}
}

// census counts entries by top-level name, the first maxPrefixes names apart and the others
// together. Names that come later get no place of their own while anything is counted together,
// so that an entry is counted off where it was counted.
type census struct {
	names map[string]*PrefixStats
	other PrefixStats
}

// replace counts a node in the place of another, nil for none. A heartbeat changes nothing.
func (c *census) replace(prev, node *Node) {
	if prev != nil && node != nil && prev.IsDir() == node.IsDir() && prev.HasLease() == node.HasLease() {
		return
	}
	if node != nil {
		c.count(node, +1)
	}
	if prev != nil {
		c.count(prev, -1)
	}
}

func (c *census) count(n *Node, by int) {
	if n.IsDir() {
		return
	}
	name := n.Key.prefix()
	p := c.names[name]
	switch {
	case p != nil:
	case len(c.names) == maxPrefixes || !c.other.isZero():
		c.other.count(n, by)
		return
	default:
		p = new(PrefixStats)
		if c.names == nil {
			c.names = make(map[string]*PrefixStats)
		}
		c.names[strings.Clone(name)] = p
	}
	if p.count(n, by); p.isZero() {
		delete(c.names, name)
	}
}

// snapshot returns all counts by name.
func (c *census) snapshot() (names map[string]PrefixStats, other PrefixStats) {
	names = make(map[string]PrefixStats, len(c.names))
	for name, p := range c.names {
		names[name] = *p
	}
	return names, c.other
}
