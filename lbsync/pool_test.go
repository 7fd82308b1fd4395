package lbsync

import (
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCandidates(t *testing.T) {
	usable, rejected := reading{port: 80}.candidates([]Entry{
		{Key: "fe2", Value: "10.0.1.10"},
		{Key: "fe3", Value: "10.0.1.9:81"},
		{Key: "fe1", Value: "10.0.1.9"},
		{Key: "fe4", Value: `{"addr":"10.0.1.9","port":80,"weight":5}`},
		{Key: "fe5", Value: "x"},
		{Key: "fe 6", Value: "10.0.1.6"},
		{Key: "fe7", Value: "fe7.example"},
		{Key: "zone/fe7", Value: "2001:db8::1"},
	})
	var got []string
	for _, c := range usable {
		got = append(got, c.key+" "+c.server.Addr.String())
	}
	want := []string{"fe1 10.0.1.9:80", "fe2 10.0.1.10:80", "fe3 10.0.1.9:81", "zone/fe7 [2001:db8::1]:80"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	wantRejected := []Rejection{{"fe 6", ReasonKey}, {"fe4", ReasonDuplicate}, {"fe5", ReasonSyntax}, {"fe7", ReasonHostName}}
	if d := cmp.Diff(wantRejected, rejected); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// What comes out follows from the set of entries: their order does not matter, addresses are unique, and a bad entry changes
// nothing for the others.
func TestCandidatesLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.2:81", "10.0.0.10", "2001:db8::1", `{"addr":"10.0.0.1","weight":3}`})
		keys := rapid.StringMatching(`[a-c]{1,3}`)
		good := rapid.MapOf(keys, values).Draw(t, "good")
		var entries []Entry
		for k, v := range good {
			entries = append(entries, Entry{Key: k, Value: v})
		}
		r := reading{port: 80}
		want, _ := r.candidates(entries)
		entries = append(entries, Entry{Key: "bad", Value: rapid.StringMatching(`[ -/;-~]{0,20}`).Draw(t, "bad")})
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		got, rejected := r.candidates(entries)
		if !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		if len(got)+len(rejected) != len(entries) {
			t.Fatalf("%d servers and %d rejections of %d entries", len(got), len(rejected), len(entries))
		}
		taken := map[netip.AddrPort]bool{}
		for _, c := range got {
			if taken[c.server.Addr] {
				t.Fatalf("%s comes twice", c.server.Addr)
			}
			taken[c.server.Addr] = true
		}
	})
}

func TestStateRoundTrip(t *testing.T) {
	for name, dir := range map[string]string{"in a directory": filepath.Join(t.TempDir(), "state"), "beside the file": ""} {
		t.Run(name, func(t *testing.T) {
			d := openState(dir, liveFile{path: filepath.Join(t.TempDir(), "x.cfg")})
			if s, err := d.load(); err != nil || s.services != nil || s.file != nil {
				t.Errorf("without a file: %v, %v", s, err)
			}
			s := up("10.0.1.1:80")
			s.Host, s.Weight, s.Backup, s.Zone, s.MaxConn, s.SlowStart = "fe1.example", 7, true, "a", 9, time.Minute
			services := map[string]savedService{"a": {index: 7, hosts: []candidate{{"fe1", s}}}}
			if err := d.save(services, []byte("file\n")); err != nil {
				t.Fatal(err)
			}
			services["a"].hosts[0].server.Host = ""
			saved, err := d.load()
			if err != nil || dir != "" && string(saved.file) != "file\n" {
				t.Fatalf("%q, %v", saved.file, err)
			}
			if got := saved.services["a"]; got.index != 7 || !slices.Equal(got.hosts, services["a"].hosts) {
				t.Errorf("got %+v", got)
			}
			if err := d.pools.write([]byte(`{"services":{"a":{"hosts":[
				{"key":"fe1","value":"10.0.1.1:80"},{"key":"fe2","value":"*:80\nx"},{"key":"fe3","value":"fe1.example:80"},
				{"key":"f e","value":"10.0.1.1:80"}]}}}`)); err != nil {
				t.Fatal(err)
			}
			if saved, err = d.load(); err != nil || len(saved.services["a"].hosts) != 1 {
				t.Errorf("a damaged file: %v, %v", saved.services, err)
			}
			if err := d.pools.write([]byte(`{"services":`)); err != nil {
				t.Fatal(err)
			}
			if saved, err = d.load(); err == nil || saved.services != nil || dir != "" && saved.file == nil {
				t.Errorf("half a file: %v, %v", saved, err)
			}
		})
	}
}

func TestInZone(t *testing.T) {
	server := func(addr, zone string, state State) Server {
		s := up(addr)
		s.Zone, s.State = zone, state
		return s
	}
	for _, tt := range []struct {
		name, zone string
		own        State
		backups    []bool
	}{
		{"own zone first", "a", Up, []bool{false, true, true}},
		{"own zone is off", "a", Drain, []bool{false, false, false}},
		{"nothing here", "c", Up, []bool{false, false, false}},
		{"no zone", "", Up, []bool{false, false, false}},
	} {
		p := Pool{Servers: []Server{server("10.0.0.1:1", "a", tt.own), server("10.0.0.2:1", "b", Up), server("10.0.0.3:1", "", Up)}}
		var got []bool
		for _, s := range p.inZone(tt.zone).Servers {
			got = append(got, s.Backup)
		}
		if !slices.Equal(got, tt.backups) {
			t.Errorf("%s: backups %v, want %v", tt.name, got, tt.backups)
		}
	}
}

func TestLint(t *testing.T) {
	for text, ok := range map[string]bool{
		"": false, "\n\n": false, "a": false, "a\n": true, "a\tb\n": true, "a\x00\n": false, "a\rb\n": false, "\xff\n": false, "\x7f\n": false,
		string(make([]byte, 3)) + "\n":                        false,
		string(slices.Repeat([]byte("a"), maxLineLen)) + "\n": false,
	} {
		if err := Lint([]byte(text)); (err == nil) != ok {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
