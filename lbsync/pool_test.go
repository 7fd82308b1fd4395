package lbsync

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestBuildPool(t *testing.T) {
	pool, rejected := buildPool("a", 80, []Entry{
		{Key: "fe2", Value: "10.0.1.10"},
		{Key: "fe3", Value: "10.0.1.9:81"},
		{Key: "fe1", Value: "10.0.1.9"},
		{Key: "fe4", Value: `{"addr":"10.0.1.9","port":80,"weight":5}`},
		{Key: "fe5", Value: "x"},
		{Key: "fe 6", Value: "10.0.1.6"},
		{Key: "zone/fe7", Value: "2001:db8::1"},
	}, noLookup)
	want := Pool{Name: "a", Servers: []Server{up("10.0.1.9:80"), up("10.0.1.9:81"), up("10.0.1.10:80"), up("[2001:db8::1]:80")}}
	if d := cmp.Diff(want, pool, compareAddrs); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	wantRejected := []Rejection{{"fe 6", ReasonKey}, {"fe4", ReasonDuplicate}, {"fe5", ReasonSyntax}}
	if d := cmp.Diff(wantRejected, rejected); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// The pool follows from the set of entries: their order does not matter, addresses are unique and sorted, and a bad
// entry changes nothing for the others.
func TestBuildPoolLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.2:81", "10.0.0.10", "2001:db8::1", `{"addr":"10.0.0.1","weight":3}`})
		keys := rapid.StringMatching(`[a-c]{1,3}`)
		good := rapid.MapOf(keys, values).Draw(t, "good")
		var entries []Entry
		for k, v := range good {
			entries = append(entries, Entry{Key: k, Value: v})
		}
		want, _ := buildPool("a", 80, entries, noLookup)
		entries = append(entries, Entry{Key: "bad", Value: rapid.StringMatching(`[ -/;-~]{0,20}`).Draw(t, "bad")})
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		got, rejected := buildPool("a", 80, entries, noLookup)
		if !got.equal(want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if len(got.Servers)+len(rejected) != len(entries) {
			t.Fatalf("%d servers and %d rejections of %d entries", len(got.Servers), len(rejected), len(entries))
		}
		if !slices.IsSortedFunc(got.Servers, Server.compare) {
			t.Fatal("not sorted")
		}
	})
}

func TestMemoryRoundTrip(t *testing.T) {
	f := liveFile{path: t.TempDir() + "/x.cfg"}
	if pools, err := loadMemory(f); err != nil || pools != nil {
		t.Errorf("without a file: %v, %v", pools, err)
	}
	s := up("10.0.1.1:80")
	s.Host, s.Weight, s.Backup, s.Zone = "fe1.example", 7, true, "a"
	if err := saveMemory(f, []Pool{{Name: "a", Servers: []Server{s}}}); err != nil {
		t.Fatal(err)
	}
	s.Host = ""
	pools, err := loadMemory(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Pool{{Name: "a", Servers: []Server{s}}}, pools, compareAddrs); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if err := memoryFile(f).write([]byte(`{"pools":{"a":["10.0.1.1:80","*:80\nx"]}}`)); err != nil {
		t.Fatal(err)
	}
	if pools, err = loadMemory(f); err != nil || len(pools) != 1 || len(pools[0].Servers) != 1 {
		t.Errorf("a damaged file: %v, %v", pools, err)
	}
}

func TestLint(t *testing.T) {
	for text, ok := range map[string]bool{
		"": false, "\n\n": false, "a": false, "a\n": true, "a\tb\n": true, "a\x00\n": false, "a\rb\n": false, "\xff\n": false, "\x7f\n": false,
		string(make([]byte, 3)) + "\n":                        false,
		string(slices.Repeat([]byte("a"), maxLineLen)) + "\n": false,
	} {
		if err := lint([]byte(text)); (err == nil) != ok {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
