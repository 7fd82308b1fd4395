package difftest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	goetcd "github.com/coreos/go-etcd/etcd"
	"github.com/google/go-cmp/cmp"
	clientv2 "go.etcd.io/etcd/client/v2"
)

// recorder notes what a client library returned, in the words of the normaliser.
type recorder struct {
	target *Target
	n      *normaliser
	lines  []string
}

// compareClients runs a client's script against etcd and both kinds of Rollcall, each fresh, and compares what it saw.
func compareClients(t *testing.T, script func(*testing.T, *recorder)) {
	t.Helper()
	var recorders []*recorder
	for _, target := range []*Target{StartEtcd(t), StartOurs(t, Letter), StartOurs(t, Default)} {
		recorders = append(recorders, &recorder{target: target, n: newNormaliser()})
	}
	var running sync.WaitGroup
	for _, r := range recorders {
		running.Go(func() {
			newSession(r.target).begin(t.Context())
			script(t, r)
		})
	}
	running.Wait()
	if len(recorders[0].lines) == 0 {
		t.Fatal("the script saw nothing")
	}
	for _, r := range recorders[1:] {
		if diff := cmp.Diff(recorders[0].lines, r.lines); diff != "" {
			t.Errorf("%v (-etcd +ours):\n%s", r.target.Kind, diff)
		}
		if want, got := recorders[0].n.labels.order(), r.n.labels.order(); want != got {
			t.Errorf("%v: order of indexes %s, want %s", r.target.Kind, got, want)
		}
	}
}

// result is what all clients' responses have in common, in etcd's order.
type result struct {
	Action   string `json:"action"`
	Node     any    `json:"node"`
	PrevNode any    `json:"prevNode"`
	Index    uint64 `json:"index"`
}

// note records the outcome of a call that asked for a TTL, 0 for none, and began at start.
func (r *recorder) note(what string, start time.Time, ttl int64, value any, err error) {
	end := time.Now()
	if ttl > 0 {
		r.n.times.grants = append(r.n.times.grants, grant{ttl, start, end})
	}
	text := r.show(Answer{Start: start, End: end}, value)
	if err != nil {
		text = r.show(Answer{Sent: Request{Query: "prevIndex=1"}}, errorValue(err)) // Scripts compare with no other wrong index.
	}
	r.lines = append(r.lines, what+": "+text)
}

// line records a text as it is.
func (r *recorder) line(format string, arguments ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, arguments...))
}

func (r *recorder) show(a Answer, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	a.Body = text
	return r.n.body(a)
}

// errorValue is what to compare of a client's error: the server's words where it has them.
func errorValue(err error) any {
	var fromGoEtcd *goetcd.EtcdError
	var fromClientV2 clientv2.Error
	switch {
	case errors.As(err, &fromGoEtcd):
		return fromGoEtcd
	case errors.As(err, &fromClientV2):
		return fromClientV2
	default:
		return err.Error()
	}
}
