package difftest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// times judges expirations and TTLs. An expiration must be RFC 3339 in UTC and lie where some earlier request of the
// transcript put it; a ttl must be what is left of it, rounded up to seconds.
type times struct {
	grants []grant
	// shown has the ttl that a write's own answer showed, by modifiedIndex and field: its event must show the same for ever.
	shown map[string]string
}

// grant is a TTL that a request asked for, and when.
type grant struct {
	seconds    int64
	start, end time.Time
}

// slack covers the rounding of clocks between two processes of one machine.
const slack = 5 * time.Millisecond

func newTimes() *times { return &times{shown: map[string]string{}} }

// sent notes the TTL that the answered request asked for. A request that never went out asked for nothing.
func (t *times) sent(a Answer) {
	if a.Status == 0 {
		return
	}
	if seconds, err := strconv.ParseUint(a.Sent.param("ttl"), 10, 64); err == nil {
		t.grants = append(t.grants, grant{int64(seconds), a.Start, a.End}) // The largest overflow, as they do in etcd.
	}
}

// expiration names an expiration by the TTL that was asked for.
func (t *times) expiration(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !strings.HasSuffix(text, "Z") {
		return "not RFC 3339 in UTC: " + text
	}
	if g, found := t.grantOf(at); found {
		return fmt.Sprintf("now + %d s", g.seconds)
	}
	return "not asked for: " + text
}

// grantOf is the latest request that may have put the expiration there.
func (t *times) grantOf(at time.Time) (grant, bool) {
	for _, g := range slices.Backward(t.grants) {
		ttl := time.Duration(g.seconds) * time.Second
		if !at.Before(g.start.Add(ttl-slack)) && !at.After(g.end.Add(ttl+slack)) {
			return g, true
		}
	}
	return grant{}, false
}

// learn notes the TTLs of a write's answer, and in a document of a watch finds the notes: both are events with one modifiedIndex.
func (t *times) learn(value any) {
	index := fmt.Sprint(field(field(value, "node"), "modifiedIndex"))
	if field(value, "action") == "get" || index == "<nil>" {
		return
	}
	for _, name := range []string{"node", "prevNode"} {
		id := index + name
		if _, known := t.shown[id]; !known {
			t.shown[id] = fmt.Sprint(field(field(value, name), "ttl"))
		} else if now := fmt.Sprint(field(field(value, name), "ttl")); now != t.shown[id] {
			t.shown[id] = fmt.Sprintf("%s, then %s", t.shown[id], now)
		}
	}
}

// ttl judges the ttl of a node that is part of answer a.
func (t *times) ttl(a Answer, value any, node []member) string {
	number, _ := value.(json.Number)
	ttl, err := number.Int64()
	if err != nil || ttl <= 0 {
		return fmt.Sprint(value)
	}
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(field(node, "expiration")))
	if err != nil {
		return fmt.Sprintf("%d without expiration", ttl)
	}
	least, most := left(at, a.End.Add(slack)), left(at, a.Start.Add(-slack))
	if a.Status == 0 { // An event may be older than its reading.
		most = math.MaxInt64
	}
	if g, found := t.grantOf(at); found {
		most = min(most, g.seconds)
	}
	if ttl < least || ttl > most {
		return fmt.Sprintf("%d with %v left", ttl, at.Sub(a.End))
	}
	return "what is left"
}

// left is the TTL that etcd shows at now for an expiration: whole seconds, rounded up.
func left(at, now time.Time) int64 { return int64(math.Ceil(at.Sub(now).Seconds())) }
