//go:build race

package gossip

// few and many are the numbers of nodes of the test with many nodes: the race detector makes it
// several times slower.
const few, many = 20, 40
