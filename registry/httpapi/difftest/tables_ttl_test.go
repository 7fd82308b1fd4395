package difftest

func ttlScenarios() []Scenario {
	return []Scenario{
		{Name: "forms of ttl", Facts: []int{23, 24, 28}, Steps: []Step{
			Put("/a", "value=1&ttl="), Put("/a", "value=1&ttl=-1"), Put("/a", "value=1&ttl=1.5"), Put("/a", "value=1&ttl=x"),
			Put("/a", "value=1&ttl=0x10"), Put("/a", "value=1&ttl=+5"), Put("/a", "value=1&ttl=%2B5"), Put("/a", "value=1&ttl= 5"),
			Put("/a", "value=1&ttl=5s"), Put("/a", "value=1&ttl=1e3"), Put("/a", "value=1&ttl=1_000"),
			Put("/a", "value=1&ttl=18446744073709551616"), Put("/a", "value=1&ttl=-0"), Get("/a"), Put("/a", "value=1&ttl=00100"), Get("/a"),
			Put("/a", "value=1&ttl=100000000"), Get("/a"), Put("/a", "value=1&ttl=4294967296"), Get("/a"),
		}},
		{Name: "ttl 0", Facts: []int{23}, Steps: []Step{
			Put("/a", "value=1&ttl=0"), gone("/a"), Put("/b", "value=1"), Put("/b", "value=2&ttl=0"), gone("/b"),
			Put("/d/x", "value=1"), Put("/d?prevExist=true", "dir=true&ttl=0"), gone("/d"), Put("/c", "value=1"),
			Put("/c?prevValue=1", "value=1&ttl=0"), gone("/c"), Post("/q", "value=1&ttl=0").As("q"), gone("{q.key}"), Get("/q"),
			Put("/r", "value=1"), Put("/r?refresh=true", "ttl=0"), gone("/r"),
		}},
		{Name: "huge ttls", Facts: []int{23}, Steps: []Step{
			Put("/a", "value=1&ttl=9000000000"), Get("/a"), Put("/a", "value=1&ttl=7000000000"), Get("/a"),
			Put("/b", "value=1&ttl=18446744073709551615").Differs("ttl-overflow", Expect{`"ttl":"-1"`}, Expect{"201", "!expiration", "!ttl"}),
			Put("/end", "value=1&ttl=1"), gone("/end"),
			Get("/b").Differs("ttl-overflow", Expect{"404"}, Expect{"200", "!expiration"}),
		}},
		{Name: "expiry", Facts: []int{6, 24}, Steps: []Step{
			Watch("w", "/?wait=true&recursive=true&stream=true"),
			Put("/a", "value=1&ttl=2"), Put("/b", "value=2&ttl=1").As("b"), Put("/c", "value=3"), Next("w"), Next("w"), Next("w"),
			Get("/b"), gone("/b"), Next("w"), gone("/a"), Next("w"), Get("/"), Put("/a", "value=1"), Next("w"), Get("/c"),
			Watch("past", "/b?wait=true&waitIndex={b+1|1}"), Next("past"),
		}},
		{Name: "expiry of directories", Facts: []int{24, 37}, Steps: []Step{
			Watch("w", "/d?wait=true&recursive=true&stream=true"), Put("/d", "dir=true&ttl=2"),
			Put("/d/x", "value=1"), Put("/d/e/f", "value=2&ttl=100"), Get("/d?recursive=true&sorted=true"),
			Watch("x", "/d/x?wait=true"), Watch("f", "/d/e/f?wait=true&recursive=true"),
			Next("w"), Next("w"), Next("w"), gone("/d"), Next("w"), Next("x"), Next("x"), Next("f"),
			Get("/d/x"), Put("/d/x", "value=again"), Get("/d"),
		}},
		{Name: "order of expiry", Facts: []int{24}, Steps: []Step{
			Watch("w", "/o?wait=true&recursive=true&stream=true"), Put("/o/c", "value=1&ttl=1"), Put("/o/a", "value=1&ttl=1"), Put("/o/b", "value=1&ttl=1"), Put("/o/d", "value=1&ttl=2"),
			gone("/o/d"), gone("/o/c"), gone("/o/b"), gone("/o/a"), Get("/o"), Put("/o/end", "value=1"), Get("/o?recursive=true"),
			Next("w"), Next("w"), Next("w"), Next("w"), Next("w"), Next("w"), Next("w"), Next("w"), Next("w"),
		}},
		{Name: "a longer ttl outlives the first", Facts: []int{11, 24}, Steps: []Step{
			Put("/a", "value=1&ttl=3"), Put("/a", "value=1&ttl=100"), Put("/b", "value=1&ttl=3"), Put("/b?prevExist=true", "value=1"),
			Put("/c", "value=1&ttl=3"), Put("/c?refresh=true&prevExist=true", "ttl=100"), Put("/d", "value=1&ttl=3"), Delete("/d"), Put("/d", "value=2"),
			Put("/e", "value=1&ttl=3"), Put("/e", "dir=true"), Put("/f", "dir=true&ttl=3"), Put("/f?prevExist=true", "dir=true"),
			Put("/p/x", "value=1&ttl=3"), Delete("/p?recursive=true"), Put("/p/x", "value=2"),
			Put("/end", "value=1&ttl=3"), gone("/end"), Get("/?recursive=true&sorted=true"),
		}},
		{Name: "children of a directory with a shorter life", Facts: []int{24}, Steps: []Step{
			Put("/d", "dir=true&ttl=4"), Put("/d/x", "value=1&ttl=1"), Watch("w", "/d?wait=true&recursive=true&stream=true"),
			gone("/d/x"), Next("w"), Get("/d"), gone("/d"), Next("w"),
		}},
	}
}

func refreshScenarios() []Scenario {
	return []Scenario{
		{Name: "refresh", Facts: []int{1, 25}, Steps: []Step{
			Put("/a", "value=1&ttl=100"), Put("/a?refresh=true", "ttl=50"), Get("/a"), Put("/a?refresh=true&prevExist=true", "ttl=60").As("r"), Get("/a"),
			Put("/a?refresh=true&prevValue=1", "ttl=70"), Put("/a?refresh=true&prevValue=2", "ttl=70"), Put("/a?refresh=true&prevIndex={r}", "ttl=70"),
			Put("/none?refresh=true", "ttl=50"), Put("/none?refresh=true&prevExist=true", "ttl=50"), Put("/none?refresh=true&prevExist=false", "ttl=50"),
			Put("/a?refresh=true&prevExist=false", "ttl=50"), Put("/a?refresh=false", "value=2&ttl=50"), Get("/a"),
			Put("/p", "value=x"), Put("/p?refresh=true", "ttl=50"), Get("/p"), Put("/a/b?refresh=true", "ttl=50"),
		}},
		{Name: "refresh needs a ttl and no value", Facts: []int{25}, Steps: []Step{
			Put("/a", "value=1&ttl=100"), Put("/a?refresh=true", "value=2&ttl=50"), Put("/a?refresh=true", ""), Put("/a?refresh=true", "value=2"),
			Put("/a?refresh=true", "value=&ttl=50"), Get("/a"), Put("/a?refresh=true", "ttl="), Put("/a?refresh=true&prevExist=true", "value=2&ttl=50"),
			Put("/a?refresh=true&prevExist=true", "ttl="), Get("/a?refresh=true"), Get("/a?refresh=true&ttl=5"), Delete("/none?refresh=true"),
			Post("/q?refresh=true", "value=1"), Post("/q?refresh=true", "ttl=10&value=1"), Head("/a?refresh=true"), Get("/a"),
		}},
		{Name: "refresh of directories", Facts: []int{25}, Steps: []Step{
			Put("/d/x", "value=1"), Put("/d?refresh=true&prevExist=true", "ttl=100"), Get("/d"), Put("/d?refresh=true&prevExist=true", "dir=true&ttl=50"), Get("/d"),
			Put("/d?refresh=true", "ttl=100"), Put("/d?refresh=true", "dir=true&ttl=100"), Get("/d?recursive=true"),
			Put("/f", "value=1"), Put("/f?refresh=true", "dir=true&ttl=100"), Get("/f"), Put("/f?refresh=true&prevExist=true", "dir=true&ttl=100"), Get("/f"),
		}},
		{Name: "refresh is silent", Facts: []int{26}, Steps: []Step{
			Watch("s", "/?wait=true&recursive=true&stream=true"),
			Put("/a", "value=1&ttl=100").As("a"), Put("/a?refresh=true&prevExist=true", "ttl=50").As("r"), Put("/a?refresh=true", "ttl=60").As("t"),
			Put("/a?prevIndex={a}", "value=x"), Put("/a?prevIndex={r}", "value=x"), Watch("p", "/a?wait=true&waitIndex={r}"),
			Put("/a?prevIndex={t}", "value=2"), Next("s"), Next("s"), Next("p"), Put("/b", "value=1"), Next("s"),
			Watch("h", "/a?wait=true&waitIndex={r}"), Next("h"), Watch("q", "/?wait=true&recursive=true&waitIndex={t}"), Next("q"),
		}},
		{Name: "refresh moves the deadline", Facts: []int{24, 25}, Steps: []Step{
			Put("/a", "value=1&ttl=3"), Put("/b", "value=1&ttl=3"), Put("/a?refresh=true&prevExist=true", "ttl=6"), gone("/b"), Get("/a"), gone("/a"),
			Put("/d", "dir=true&ttl=100"), Put("/d?refresh=true&prevExist=true", "ttl=1"), gone("/d"),
		}},
		{Name: "expiry after a renewal", Facts: []int{6, 24}, Steps: []Step{
			Put("/a", "value=1&ttl=3"), Put("/a", "value=1&ttl=3").As("b"), Put("/r", "value=1&ttl=100"), Put("/r?refresh=true&prevExist=true", "ttl=1").As("r"),
			gone("/r"), gone("/a"), Watch("w", "/a?wait=true&waitIndex={b+1}"), Next("w"), Watch("v", "/r?wait=true&waitIndex={r}"), Next("v"), Get("/"),
		}},
		{Name: "renewals and their events", Facts: []int{1, 45}, Steps: []Step{
			Watch("s", "/?wait=true&recursive=true&stream=true"), Put("/a", "value=1&ttl=100").As("a"), Next("s"),
			Put("/a", "value=1&ttl=100").As("b"), Get("/a"), Put("/a?prevIndex={a}", "value=x"),
			Put("/a", "value=1&ttl=200"), Put("/end", "value=1"),
			Next("s").DiffersByDefault("renewals-silent", Expect{"now + 100 s", `"action":"set"`}, Expect{"now + 200 s", `"action":"set"`}),
			Next("s").DiffersByDefault("renewals-silent", Expect{"now + 200 s"}, Expect{"/end"}),
			Watch("h", "/a?wait=true&waitIndex={b}"),
			Next("h").DiffersByDefault("renewals-silent", Expect{"now + 100 s"}, Expect{"now + 200 s"}),
		}},
	}
}
