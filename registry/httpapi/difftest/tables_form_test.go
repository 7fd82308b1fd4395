package difftest

import (
	"net/http"
	"strings"
)

// booleans are the boolean parameters.
func booleans() []string {
	return []string{"recursive", "sorted", "wait", "dir", "quorum", "stream", "noValueOnSuccess", "prevExist", "refresh"}
}

func formScenarios() []Scenario {
	return []Scenario{
		{Name: "bad booleans", Facts: []int{27, 29, 31}, Steps: badBooleans()},
		{Name: "forms of true and false", Facts: []int{27}, Steps: formsOfTruth()},
		{Name: "bad indexes", Facts: []int{28, 29}, Steps: badIndexes()},
		{Name: "wait without GET", Facts: []int{30}, Steps: []Step{
			Put("/a", "value=1&wait=true"), Put("/a?wait=true", "value=1"), Post("/a?wait=true", "value=1"), Delete("/a?wait=true"),
			Head("/a?wait=true"), Put("/a?wait=false", "value=1"), Delete("/a?wait=false"), Head("/?wait=false"),
			Put("/a?wait=1", "value=1"), Delete("/a?wait=true&waitIndex=5"),
		}},
		{Name: "form errors come before keys", Facts: []int{29, 31}, Steps: []Step{
			Get("/none?ttl=x"), Put("/?recursive=bad", "value=1"), Delete("/?dir=bad"), Post("/?prevExist=bad", ""), Put("/none/x?prevExist=true", "ttl=x"),
			Put("/f", "value=1"), Put("/f/x", "ttl=-1"), Delete("/?ttl=-1"), Get("/f?ttl="), Get("/f?ttl=5&prevExist=true&prevIndex=7"),
			Get("/f?noValueOnSuccess=x"), Delete("/f?sorted=x"), Head("/f?sorted=x"), Put("/f?stream=true&sorted=true&quorum=true&recursive=true", "value=2"),
			Delete("/f?stream=true&sorted=true&quorum=true&noValueOnSuccess=true"),
		}},
	}
}

func badBooleans() []Step {
	var steps []Step
	for _, name := range booleans() {
		for _, value := range []string{"", "x", "2", "yes", "tRUE", "true+", "-1"} {
			steps = append(steps, Get("/a?"+name+"="+value))
		}
		steps = append(steps, Put("/a?"+name+"=bad", "value=1"), Put("/a", "value=1&"+name+"=bad"),
			Post("/a?"+name+"=bad", ""), Delete("/a?"+name+"=bad"), Head("/a?"+name+"=bad"))
	}
	return append(steps, Get("/a"))
}

func formsOfTruth() []Step {
	steps := []Step{Put("/d/x", "value=1")}
	for _, value := range []string{"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"} {
		steps = append(steps, Get("/d?recursive="+value), Put("/d/x?prevExist="+value, "value=2"), Delete("/d?dir="+value))
	}
	return append(steps, Get("/d?wait=0&quorum=t"), Put("/d/x?refresh=T", "ttl=100"), Put("/d/y?noValueOnSuccess=1", "value=3"))
}

func badIndexes() []Step {
	var steps []Step
	for _, name := range []string{"prevIndex", "waitIndex"} {
		for _, value := range []string{"", "x", "-1", "1.5", "0x10", "18446744073709551616", "%2B1", "1_0", " 1"} {
			steps = append(steps, Get("/a?"+name+"="+value), Put("/a", "value=1&"+name+"="+value))
		}
		steps = append(steps, Delete("/a?"+name+"=x"), Post("/a?"+name+"=x", ""), Head("/a?"+name+"=x"))
	}
	return append(steps, Get("/a"), Get("/a?waitIndex=5"), Put("/a?waitIndex=18446744073709551615", "value=1"), Get("/a?waitIndex=1"),
		Put("/a?prevIndex=18446744073709551615", "value=2"), Put("/none?prevIndex=007", "value=2"))
}

// precedenceScenarios checks each pair of bad fields: the first in etcd's order names the error.
func precedenceScenarios() []Scenario {
	bad := []string{
		"prevIndex=x", "waitIndex=x", "recursive=x", "sorted=x", "wait=x", "dir=x", "quorum=x", "stream=x",
		"wait=true", "prevValue=", "noValueOnSuccess=x", "ttl=x", "prevExist=x", "refresh=x",
	}
	var steps []Step
	for i, first := range bad {
		for _, second := range bad[i+1:] {
			if first == "wait=x" && second == "wait=true" {
				continue
			}
			steps = append(steps, Put("/a?"+second+"&"+first, "value=1"))
		}
	}
	return []Scenario{
		{Name: "the first bad field wins", Facts: []int{31}, Steps: steps},
		{Name: "refresh is judged last", Facts: []int{25, 31}, Steps: []Step{
			Put("/a?refresh=true&ttl=x", "value=1"), Put("/a?refresh=true&prevExist=x", "value=1"), Put("/a?refresh=true&wait=true", "value=1"),
			Put("/a?refresh=true", "value=1"), Put("/?refresh=true", ""), Put("/?refresh=true", "value=x"),
		}},
	}
}

func listScenarios() []Scenario {
	steps := []Step{Put("/d", "dir=true")}
	for _, name := range []string{"b", "a", "B", "a_b", "_h", "%C3%A9", "10", "9", "a.b", "ab", "a-b", "a%20b", "__", "_"} {
		steps = append(steps, Put("/d/"+name, "value=1"), Put("/d/z/"+name+"/x", "value=2"))
	}
	steps = append(steps, Get("/d"), Get("/d?sorted=true"), Get("/d?recursive=true"), Get("/d?recursive=true&sorted=true"),
		Get("/d?recursive=true&quorum=true"), Get("/d?quorum=true"), Get("/d/_h"), Get("/d/z/_h"), Get("/d/z/_h?recursive=true"), Get("/d/z/_"),
		Get("/?recursive=true&sorted=true"), Head("/d?recursive=true&sorted=true"), Get("/d?consistent=true"))
	return []Scenario{
		{Name: "listings", Facts: []int{33, 34}, Steps: steps},
		{Name: "listings without sorted", Facts: []int{33}, Steps: []Step{
			Put("/d/b", "value=1"), Put("/d/a", "value=1"), Put("/d/c", "value=1"),
			Get("/d?sorted=true").Differs("listings-sorted", Expect{`"/d/a"`}, Expect{`"/d/a"`}), Get("/d"),
		}},
		{Name: "hidden keys are not listed", Facts: []int{7, 34}, Steps: []Step{
			Put("/_top/x", "value=1"), Put("/v/_h/x", "value=2"), Put("/v/_f", "value=3"), Get("/?recursive=true"), Get("/v?recursive=true"),
			Get("/_top"), Get("/_top?recursive=true"), Get("/v/_h"), Get("/v/_f"), Put("/_top/_x", "value=4"), Get("/_top"), Get("/_top/_x"),
			Delete("/v?dir=true"), Delete("/v/_h?recursive=true"), Delete("/v/_f"), Delete("/v?dir=true"), Delete("/_top?recursive=true"),
		}},
	}
}

func httpScenarios() []Scenario {
	call := func(method, path string) Step { return Call(Request{Method: method, Path: path}) }
	origin := func(method, path string) Step {
		return Call(Request{Method: method, Path: path, Header: http.Header{
			"Origin": {"http://elsewhere.example"}, "Access-Control-Request-Method": {"PUT"}, "Access-Control-Request-Headers": {"x-mine"},
		}})
	}
	var methods []Step
	for _, path := range []string{
		"/v2/keys", "/v2/keys/", "/v2/keys/a", "/v2/keysx", "/v2/machines", "/v2/stats/self", "/v2/stats/store", "/v2/stats/leader",
		"/version", "/health", "/v2/nosuch", "/v2", "/v2/", "/", "/nosuch", "/v2/stats", "/v2/stats/", "/v1/keys/a", "/v2/leader",
	} {
		for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "FOO", "get"} {
			methods = append(methods, call(method, path))
		}
	}
	for _, path := range []string{"/v2/machines", "/v2/stats/self", "/v2/stats/store", "/v2/stats/leader", "/version", "/health"} {
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
			methods = append(methods, call(method, path))
		}
	}
	for _, path := range []string{"/v2/stats/self", "/v2/stats/store", "/version", "/health", "/v2/nosuch", "/", "/v2/keysx"} {
		methods = append(methods, call(http.MethodHead, path))
	}
	for _, path := range []string{"/v2/nosuch", "/", "/v2/keysx", "/v2", "/nosuch", "/v2/stats", "/v1/keys/a"} {
		methods = append(methods, call(http.MethodGet, path), call(http.MethodPut, path))
	}
	return []Scenario{
		{Name: "methods", Facts: []int{47, 52}, Steps: methods},
		{Name: "cross-origin requests", Facts: []int{47}, Steps: []Step{
			origin(http.MethodOptions, "/v2/keys/a"), origin(http.MethodGet, "/v2/keys/a"), origin(http.MethodPut, "/v2/keys/a"), origin(http.MethodGet, "/nosuch"),
		}},
		{Name: "HEAD", Facts: []int{48}, Steps: []Step{
			Put("/a", "value=1"), Put("/d/x", "value=1&ttl=100"), Head("/a"), Head("/d"), Head("/none"), Head("/a/x"), Head("/d?recursive=true&sorted=true"),
			Head("/a?recursive=bad"), Head("/a?quorum=true"), Head("/d/x"),
		}},
		{Name: "statuses", Facts: []int{49}, Steps: []Step{
			Put("/a", "value=1"), Put("/d/x", "value=1"), Get("/none"), Put("/a?prevValue=2", "value=1"), Put("/a?prevExist=false", "value=1"),
			Delete("/d"), Delete("/d?dir=true"), Put("/a/x", "value=1"), Delete("/"), Put("/a", "ttl=x"), Put("/a?prevIndex=x", ""), Put("/a?dir=x", ""),
		}},
		{Name: "paths", Facts: []int{50}, Steps: []Step{
			Put("/a/", "value=1"), Get("/a/"), Get("/a"), Get("/a//"), Get("//a"), Get("/./a"), Get("/b/../a"), Get("/.."), Get("/../.."), Get("/a/."), Get("/a/.."),
			Get("/../keys/a"), Put("//a", "value=2"), Delete("/x/../a"), Head("//a"), Post("/q//", "value=1"),
			Put("/p%2Fq", "value=1"), Get("/p/q"), Get("/p"), Put("/x+y", "value=1"), Get("/x+y"), Get("/x%2By"), Get("/x%20y"),
			Put("/x%20y", "value=1"), Get("/x%20y"), Get("/x+y"), Put("/d/", "dir=true"), Get("/d/"), Delete("/d/"), Delete("/d/?dir=true"),
			Put("/...", "value=1"), Get("/..."), Put("/.a", "value=1"), Get("/?sorted=true"), Get("/%2E%2E/x"), Get("/a%2F..%2Fb"), Put("/a%2F%2Fb", "value=1"),
			Get("/%2F"), Get("/%2Fa"), Put("/%2F", "value=1"), Get("//?recursive=true"), Get("/a%3Fb"), Put("/a%3Fb", "value=1"), Get("/a%23b"), Put("/a:b@c,d;e=f", "value=1"), Get("/a:b@c,d;e=f"),
			Get("/%zz"), Get("=/v2/%6Beys/p/q"), call(http.MethodPut, "/v2/keys%2Fesc"), Get("/esc"),
		}},
		{Name: "other routes", Facts: []int{52}, Steps: []Step{
			Get("=/health"),
			Get("=/version").Differs(identity, Expect{"etcdserver"}, Expect{"200", "etcdserver", "etcdcluster"}),
			Get("=/v2/machines").Differs(identity, Expect{"http://"}, Expect{"200", "text/plain; charset=utf-8", "http://"}),
			Head("=/v2/machines").Differs(identity, Expect{"200"}, Expect{"200"}),
			Get("=/v2/members").Differs(identity, Expect{`"members":[{"id":`}, Expect{"200", "application/json", `{"members":[{"id":`, `"name":`, `"clientURLs":[`, "X-Etcd-Cluster-Id"}),
			Get("=/v2/members/").Differs(identity, Expect{`"members":[{"id":`}, Expect{"200", `{"members":[{"id":`}),
			Get("=/v2/stats/self").Differs(identity, Expect{`"state"`}, Expect{"200", "application/json", `{"name":`, `"id":`, `"state":`, `"startTime":`, `"leaderInfo":{`}),
			Get("=/v2/stats/store").Differs(identity, Expect{`"getsSuccess":`}, Expect{"200", "application/json", `{"getsSuccess":`, `"expireCount":`, `"watchers":`}),
			Get("=/v2/members/nosuch"), Get("=/v2/machines/"), Get("=/version/"), Get("=/health/"), Get("=/v2/stats/self/"),
			Get("=/v2/members/leader").Differs(identity, Expect{`{"id":`}, Expect{"200", `{"id":`, `"clientURLs":[`}),
			call(http.MethodPut, "/v2/members").Differs("members-read-only", Expect{"405"}, Expect{"405", "Allow: GET,HEAD"}),
			call(http.MethodDelete, "/v2/members").Differs("members-read-only", Expect{"405"}, Expect{"405", "Allow: GET,HEAD"}),
			Head("=/v2/members").Differs("members-read-only", Expect{"405"}, Expect{"200"}),
			call(http.MethodPost, "/v2/members").Differs("members-read-only", Expect{"415"}, Expect{"405"}),
			call(http.MethodDelete, "/v2/members/1").Differs("members-read-only", Expect{"404"}, Expect{"405"}),
			Get("=/v2/auth/enable").Differs("no-auth", Expect{`{"enabled":false}`}, Expect{"404"}),
			Get("=/v2/stats/leader").Differs("no-leader", Expect{"200"}, Expect{"403", `{"message":"not current leader"}`}),
		}},
		{Name: "limits", Facts: []int{22}, Steps: []Step{
			Put("/a", "value="+fill(900<<10)), Get("/a"),
			Put("/big", "value="+fill(2<<20)).Differs("body-limit", Expect{"201"}, Expect{"413", `"errorCode":210`}),
			Put("/b", "value="+fill(11<<20)).Differs("body-limit", Expect{"400", `"errorCode":210`, "http: POST too large"}, Expect{"413", `"errorCode":210`}),
			Put("/c", "value=1"), Get("/b"),
		}},
		{Name: "keys that are refused", Facts: []int{50}, Steps: []Step{
			Put("/a%00b", "value=1").Differs("key-limits", Expect{"201"}, Expect{"400", `"errorCode":209`}),
			Put(segments(1000), "value=1").Differs("key-limits", Expect{"201"}, Expect{"400", `"errorCode":209`}),
			Get("/a%00b").Differs("key-limits", Expect{"200"}, Expect{"400", `"errorCode":209`}),
			Put("/few"+segments(50), "value=1"),
		}},
	}
}

func fill(size int) string { return strings.Repeat("7", size) }

// segments is a path of n short names.
func segments(n int) string {
	return strings.Repeat("/s", n)
}
