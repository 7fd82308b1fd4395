// Package difftest compares Rollcall's v2 API with the real etcd, answer by answer.
//
// Only tests use it. A [Scenario] is a list of steps: requests, polls until something holds, and watches that are opened,
// read and closed. [Scenario.Run] plays it against one [Target] and gives a [Transcript]; [Compare] renders two transcripts
// with everything that may rightly differ taken out (see the normaliser) and reports each step whose text is not the same.
//
// What is compared: the status, the headers that clients read, and the body field by field, in etcd's order of fields, with
// its final newline. What is taken out: the numbers of indexes (each gets a label at its first appearance, and the
// order of all labels is compared at the end), expiration times (checked against the request that asked for them), the
// values of X-Raft-* and X-Etcd-Cluster-Id (not their presence), and the order of listings that were not asked to be sorted.
//
// Where Rollcall differs on purpose the step names an entry of [Differences] and says what each side must answer. That list
// is the only one: docs/differences.md must show the same rows, and an entry that no test exercises fails the run.
//
// The tests run three kinds of target: the real etcd (`etcd --enable-v2`; the tests fail when it is missing), Rollcall with
// renewal events, which is etcd to the letter, and Rollcall as it is by default, where a renewal is no event.
//
// To replay a random sequence that failed: go test ./registry/httpapi/difftest -run Random -difftest.seed N. More of
// them: -difftest.sequences N. To see that the harness itself holds: -run Harness compares etcd with etcd, and with an etcd
// whose answers a proxy spoils.
package difftest
