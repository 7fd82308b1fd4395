package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/registry"
)

// The last version of etcd that had the v2 API alone. Clients that ask for a version
// decide by it what they may send: one from 3 on would promise the v3 API, too.
const (
	etcdServerVersion  = "2.3.8"
	etcdClusterVersion = "2.3.0"
)

func writeJSON(w http.ResponseWriter, v any) {
	w.Header()["Content-Type"] = jsonType
	json.NewEncoder(w).Encode(v) //nolint:errcheck,errchkjson // plain structs; the client is gone then
}

func writeText(w http.ResponseWriter, code int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	w.Write([]byte(text)) //nolint:errcheck // the client is gone then
}

func (a *api) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, struct {
		Server   string `json:"etcdserver"`
		Cluster  string `json:"etcdcluster"`
		Rollcall string `json:"rollcall"`
	}{etcdServerVersion, etcdClusterVersion, a.opts.Version})
}

// health is for those who ask as they asked etcd; /readyz says what is missing.
func (a *api) health(w http.ResponseWriter, _ *http.Request) {
	if a.opts.Refuse != nil && a.opts.Refuse() != nil {
		writeText(w, http.StatusServiceUnavailable, `{"health":"false"}`)
		return
	}
	writeText(w, http.StatusOK, `{"health":"true"}`)
}

func (a *api) machines(w http.ResponseWriter, _ *http.Request) {
	urls := slices.Clone(a.opts.ClientURLs)
	for _, m := range a.others() {
		urls = append(urls, m.ClientURLs...)
	}
	writeText(w, http.StatusOK, strings.Join(urls, ", "))
}

// member is a node as /v2/members shows it.
type member struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

func (a *api) self() member {
	return member{a.id, a.opts.Name, nonNil(a.opts.PeerURLs), nonNil(a.opts.ClientURLs)}
}

// others returns the other nodes that are alive.
func (a *api) others() []Member {
	if a.opts.Members == nil {
		return nil
	}
	return a.opts.Members()
}

// nonNil makes an empty list show as [] in JSON.
func nonNil(urls []string) []string { return append([]string{}, urls...) }

// members lists the nodes. /v2/members/leader is whoever answers: any node can do
// what clients want a leader for.
func (a *api) members(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Etcd-Cluster-Id"] = a.clusterID
	switch strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v2/members"), "/") {
	case "":
		all := []member{a.self()}
		for _, m := range a.others() {
			all = append(all, member{hashID("node " + m.Name), m.Name, nonNil(m.PeerURLs), nonNil(m.ClientURLs)})
		}
		writeJSON(w, map[string][]member{"members": all})
	case "leader":
		writeJSON(w, a.self())
	default:
		writeMessage(w, http.StatusNotFound, "Not found")
	}
}

// writeMessage answers with an error of the endpoints beside the keys API.
func writeMessage(w http.ResponseWriter, code int, text string) {
	b, _ := json.Marshal(map[string]string{"message": text}) //nolint:errchkjson // strings
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(code)
	w.Write(b) //nolint:errcheck // the client is gone then
}

// statsSelf answers in the shape of etcd's, as a member that follows nobody: there
// is no leader.
func (a *api) statsSelf(w http.ResponseWriter, _ *http.Request) {
	type leaderInfo struct {
		Leader    string    `json:"leader"`
		Uptime    string    `json:"uptime"`
		StartTime time.Time `json:"startTime"`
	}
	writeJSON(w, struct {
		Name                 string     `json:"name"`
		ID                   string     `json:"id"`
		State                string     `json:"state"`
		StartTime            time.Time  `json:"startTime"`
		LeaderInfo           leaderInfo `json:"leaderInfo"`
		RecvAppendRequestCnt uint64     `json:"recvAppendRequestCnt"`
		SendAppendRequestCnt uint64     `json:"sendAppendRequestCnt"`
	}{
		Name: a.opts.Name, ID: a.id, State: "StateFollower", StartTime: a.started,
		LeaderInfo: leaderInfo{Uptime: time.Since(a.started).String(), StartTime: a.started},
	})
}

func (a *api) statsLeader(w http.ResponseWriter, _ *http.Request) {
	writeMessage(w, http.StatusForbidden, "not current leader")
}

func (a *api) statsStore(w http.ResponseWriter, _ *http.Request) {
	s := a.store.Stats()
	ops := s.Operations
	var b strings.Builder
	b.WriteByte('{')
	for _, row := range []struct {
		name   string
		action registry.Action
	}{
		{"gets", registry.Get},
		{"sets", registry.Set},
		{"delete", registry.Delete},
		{"update", registry.Update},
		{"create", registry.Create},
		{"compareAndSwap", registry.CompareAndSwap},
		{"compareAndDelete", registry.CompareAndDelete},
	} {
		fmt.Fprintf(&b, `"%sSuccess":%d,"%sFail":%d,`, row.name, ops[row.action].Success, row.name, ops[row.action].Fail)
	}
	fmt.Fprintf(&b, `"expireCount":%d,"watchers":%d}`, s.Expirations, s.Watchers)
	w.Header()["Content-Type"] = jsonType
	w.Write([]byte(b.String())) //nolint:errcheck // the client is gone then
}
