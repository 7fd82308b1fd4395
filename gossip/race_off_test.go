//go:build !race

package gossip

// few and many are the numbers of nodes of the test with many nodes.
const few, many = 50, 200
