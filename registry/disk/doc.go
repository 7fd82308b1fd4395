// Package disk keeps on disk what a node must not forget, in one data directory.
//
// [DB] is the journal of the node's state, on Pebble. [Mark] is an upper bound of the indexes
// that the node has given out, so that they go on growing after a restart even if the clock
// was set back in between; it also keeps other processes out.
package disk
