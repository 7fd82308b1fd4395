package difftest

func indexScenarios() []Scenario {
	return []Scenario{
		{Name: "set renews createdIndex", Facts: []int{1, 2}, Steps: []Step{
			Put("/a", "value=1").As("a"), Put("/a", "value=1"), Put("/a", "value=2"), Get("/a"),
			Put("/a?prevExist=true", "value=3"), Put("/a?prevValue=3", "value=4").As("b"), Put("/a?prevIndex={b}", "value=5"),
			Put("/a?refresh=true", "ttl=100"), Get("/a"),
			Put("/a?refresh=true&prevExist=true", "ttl=100"), Put("/a?refresh=true&prevValue=5", "ttl=100"), Get("/a"),
		}},
		{Name: "201 only without prevNode", Facts: []int{2}, Steps: []Step{
			Put("/new", "value=1"), Put("/new", "value=1"), Put("/dir", "dir=true"), Put("/new", "dir=true"),
			Put("/c?prevExist=false", "value=1"), Put("/c?prevExist=false", "value=1"), Post("/q", "value=1"),
			Put("/c?prevExist=true", "value=2"), Put("/d", ""), Put("/d", ""),
			Put("/e?prevExist=false", "dir=true"), Put("/e?prevExist=false", "dir=true"),
		}},
		{Name: "implicit parents", Facts: []int{3}, Steps: []Step{
			Watch("w", "/p?wait=true&recursive=true&stream=true"),
			Put("/p/q/r", "value=1"), Get("/p?recursive=true"), Get("/p/q"), Put("/p/q/s", "value=2"), Get("/p?recursive=true"),
			Next("w"), Next("w"),
			Delete("/p/q/r"), Get("/p"), Get("/p/q"), Next("w"),
		}},
		{Name: "update of a directory does not keep its index", Facts: []int{4}, Steps: []Step{
			Put("/d", "dir=true"), Put("/d?prevExist=true", "dir=true"), Get("/d"), Put("/d?prevExist=true", "dir=true&ttl=100"),
			Get("/d"), Put("/d?prevExist=true", "dir=true&ttl=50"), Get("/d"), Put("/d?prevExist=true", "dir=true"), Get("/d"),
			Put("/d/x", "value=1"), Delete("/d?recursive=true"),
		}},
		{Name: "failures use no index", Facts: []int{5}, Steps: []Step{
			Put("/a", "value=1"), Get("/none"), Put("/a?prevValue=9", "value=2"), Put("/a?prevIndex=1", "value=2"),
			Put("/a?prevExist=false", "value=2"), Put("/a/b", "value=2"), Delete("/none"), Delete("/a?prevValue=7"),
			Put("/none?prevExist=true", "value=1"), Put("/", "value=1"), Put("/a", "value=2"), Get("/a"),
		}},
	}
}

func nodeScenarios() []Scenario {
	return []Scenario{
		{Name: "nodes of deletions", Facts: []int{6}, Steps: []Step{
			Put("/a", "value=1"), Delete("/a"), Put("/t", "value=1&ttl=100"), Delete("/t"),
			Put("/d/e/f", "value=1"), Delete("/d?recursive=true"), Put("/d", "dir=true&ttl=100"), Delete("/d?dir=true"),
			Put("/a", "value=2"), Delete("/a?prevValue=2"), Put("/a", "value=3&ttl=100").As("a"), Delete("/a?prevIndex={a}"),
			Put("/d/x", "value=1"), Put("/d?prevExist=true", "dir=true&ttl=100"), Get("/d"),
		}},
		{Name: "empty values and directories", Facts: []int{7, 33, 34}, Steps: []Step{
			Put("/e", "value="), Get("/e"), Put("/e", ""), Put("/n", ""), Get("/n"), Put("/d", "dir=true"), Get("/d"),
			Get("/d?recursive=true&sorted=true"), Put("/d/_h", "value=1"), Get("/d"), Get("/d?recursive=true"), Get("/d/_h"),
			Put("/d/v", "value="), Get("/d"), Get("/"), Delete("/e"), Delete("/d/v"), Get("/d"),
		}},
		{Name: "root", Facts: []int{8, 19}, Steps: []Step{
			Get("/"), Get(""), Get("?recursive=true"), Put("/a/b", "value=1"), Get("/"), Get(""), Get("/?recursive=true&sorted=true"),
			Head("/"), Head(""),
			Put("/", "value=1"), Put("", "value=1"), Put("/", "dir=true"), Put("/?prevExist=true", "dir=true"),
			Put("/?prevExist=false", "dir=true"), Put("/?prevValue=1", "value=2"), Put("/?prevIndex=1", "value=2"),
			Put("/?refresh=true", "ttl=10"), Put("/?refresh=true&prevExist=true", "ttl=10"), Put("/", ""),
			Delete("/"), Delete(""), Delete("/?recursive=true"), Delete("/?dir=true"), Delete("/?prevValue=x"),
			Delete("/?prevIndex=5"), Delete("/?prevIndex=0"), Delete("/?prevValue=x&recursive=true"),
			Post("/", "value=1"), Post("", "value=2"), Post("/", "dir=true"), Get("/?sorted=true"),
		}},
		{Name: "values", Facts: []int{22, 51}, Steps: []Step{
			Put("/v", "value=%3Ca%20href%3D%22x%22%3E%26%3C%2Fa%3E"), Get("/v"), Put("/v", "value=a%0Ab%00c%5C%22"), Get("/v"),
			Put("/v", "value=%ff%fe"), Get("/v"), Put("/v", "value=%C3%A9%E2%80%A8%F0%9F%98%80"), Get("/v"),
			Put("/v", "value=a+b%2Bc"), Get("/v"), Put("/v", "value==x=&y"), Get("/v"), Put("/v", "value=%7B%22addr%22%3A1%7D"), Get("/v"),
			Put("/%C3%A9%20x", "value=1"), Get("/%C3%A9%20x"), Get("/%c3%a9%20x"), Put("/u/%ff", "value=1"), Get("/u/%ff"), Get("/u"),
			Put("/%3Ca%3E", "value=1"), Get("/?sorted=true"),
		}},
	}
}

func writeScenarios() []Scenario {
	return []Scenario{
		{Name: "directory over directory and file", Facts: []int{9}, Steps: []Step{
			Put("/d", "dir=true"), Put("/d", "dir=true"), Put("/d", "dir=true&ttl=100"), Put("/d", "value=1"), Put("/d", ""),
			Put("/f", "value=1"), Put("/f", "dir=true"), Get("/f"), Put("/f/x", "value=1"),
			Put("/g", "value=1&ttl=100"), Put("/g", "dir=true&ttl=50"), Get("/g"), Put("/g?prevExist=false", "dir=true"),
			Put("/g?prevExist=false", "value=1"),
		}},
		{Name: "directory and value", Facts: []int{10}, Steps: []Step{
			Put("/d", "dir=true&value=x"), Get("/d"), Put("/d?prevExist=true", "dir=true&value=x"), Put("/d?prevExist=true", "value=x"),
			Put("/d?prevExist=true", "dir=true&value="), Put("/d?prevExist=true", "dir=true"), Put("/d?prevExist=true", "value="),
			Put("/d?prevExist=true", ""),
			Put("/f", "value=1&ttl=100"), Put("/f?prevExist=true", "dir=true&ttl=100"), Get("/f"), Put("/f?prevExist=true", "dir=true&value=y"),
			Get("/f"), Put("/f?prevExist=true", "dir=false&value=y"), Put("/e?prevExist=false", "dir=true&value=x"), Get("/e"),
		}},
		{Name: "update removes what is not given", Facts: []int{11}, Steps: []Step{
			Put("/a", "value=1&ttl=100"), Put("/a?prevExist=true", "value=2"), Get("/a"), Put("/a?prevExist=true", "ttl=100"), Get("/a"),
			Put("/a?prevExist=true", "value=3&ttl="), Get("/a"), Put("/a", "value=4&ttl=100"), Put("/a?prevValue=4", "value=5"), Get("/a"),
			Put("/a?prevValue=5", "value=6&ttl=100"), Get("/a"), Put("/a", "value=6"), Get("/a"), Put("/a?prevExist=true", ""), Get("/a"),
			Put("/none?prevExist=true", "value=1"), Put("/d", "dir=true&ttl=100"), Put("/d?prevExist=true", "dir=true&ttl="), Get("/d"),
		}},
		{Name: "below a file", Facts: []int{12}, Steps: []Step{
			Put("/f", "value=1"), Put("/f/x", "value=1"), Put("/f/x/y", "value=1"), Get("/f/x"), Get("/f/x/y"), Delete("/f/x"),
			Delete("/f/x?recursive=true"), Put("/f/x?prevValue=1", "value=2"), Put("/f/x?prevExist=true", "value=2"),
			Put("/f/x?prevExist=false", "value=2"), Post("/f", "value=1"), Post("/f/x", "value=1"), Delete("/f/x?prevValue=1"),
			Put("/f/x", "dir=true"), Head("/f/x"), Put("/f/x?refresh=true", "ttl=10"), Put("/f/x?refresh=true&prevExist=true", "ttl=10"),
		}},
		{Name: "the first missing ancestor", Facts: []int{13}, Steps: []Step{
			Get("/none"), Get("/none/b/c"), Put("/none/b/c?prevExist=true", "value=1"), Put("/none/b/c?prevValue=1", "value=1"),
			Put("/none/b/c?prevIndex=5", "value=1"), Delete("/none/b/c"), Delete("/none/b/c?prevValue=1"), Delete("/none/b/c?recursive=true"),
			Put("/p/q", "dir=true"), Get("/p/q/r/s"), Delete("/p/q/r/s"), Put("/p/q/r/s?prevExist=true", "value=1"),
			Put("/p/q/r/s?refresh=true", "ttl=10"), Put("/x/y?refresh=true&prevExist=true", "ttl=10"), Head("/none/b"),
			Get("/_none/b"), Get("/p/_none/b"),
		}},
		{Name: "which kind of write", Facts: []int{14}, Steps: []Step{
			Put("/a?prevExist=false&prevValue=9&prevIndex=9", "value=1").As("a"), Put("/a?prevExist=false&prevValue=1", "value=2"),
			Put("/a?prevExist=false&prevIndex={a}", "value=2"), Put("/a?prevExist=true&prevValue=1", "value=2").As("b"),
			Put("/a?prevExist=true&prevIndex={b}", "value=3"), Put("/a?prevExist=true&prevValue=9", "value=4"),
			Put("/a?prevExist=true&prevIndex=0", "value=5"), Put("/n?prevExist=true&prevValue=1", "value=1"),
		}},
		{Name: "no value on success", Facts: []int{21}, Steps: []Step{
			Put("/a?noValueOnSuccess=true", "value=1"), Put("/a?noValueOnSuccess=true", "value=2"), Put("/a", "value=3&noValueOnSuccess=true"),
			Put("/a?noValueOnSuccess=true&prevExist=true", "value=4"), Put("/a?noValueOnSuccess=true&prevValue=4", "value=5").As("a"),
			Post("/q?noValueOnSuccess=true", "value=1"), Put("/c?noValueOnSuccess=true&prevExist=false", "value=1"),
			Put("/a?noValueOnSuccess=true&prevValue=9", "value=6"), Put("/a?noValueOnSuccess=true&prevExist=false", "value=6"),
			Get("/a?noValueOnSuccess=true"), Put("/a?noValueOnSuccess=false", "value=7"), Put("/d?noValueOnSuccess=true", "dir=true"),
			Watch("w", "/a?wait=true&waitIndex={a}&noValueOnSuccess=true"), Next("w"), Next("w"),
			Delete("/a?noValueOnSuccess=true"), Put("/a?noValueOnSuccess=true&refresh=true", "ttl=10"),
		}},
		{Name: "in-order keys", Facts: []int{32}, Steps: []Step{
			Post("/q", "value=1"), Post("/q", "value=2").As("two"), Post("/q/", "value=3"), Post("/q", "dir=true").As("dir"),
			Post("/q", "value=4&ttl=100"), Post("/q", "dir=true&ttl=100"), Get("/q?sorted=true&recursive=true"), Get("{two.key}"),
			Put("{two.key}?prevIndex={two}", "value=changed"), Delete("{two.key}"), Put("{dir.key}/x", "value=1"), Post("{dir.key}", "value=2"),
			Get("/q?recursive=true&sorted=true"),
			Post("/q?prevExist=true", "value=5"), Post("/q?prevExist=false", "value=6"), Post("/q?prevValue=x", "value=7"), Post("/q?prevIndex=9", "value=8"),
			Post("/q", ""), Post("/q", "dir=true&value=x"), Put("/file", "value=1"), Post("/file", "value=2"), Post("/new/deep/q", "value=1"),
			Post("/_hidden", "value=1"), Get("/_hidden"), Get("/?recursive=true&sorted=true"), Post("/q?refresh=true", "ttl=10"),
			Post("/q?recursive=true&sorted=true&stream=true", "value=9"),
		}},
	}
}

func compareScenarios() []Scenario {
	return []Scenario{
		{Name: "compare and swap", Facts: []int{14, 15}, Steps: []Step{
			Put("/a", "value=one").As("a"), Put("/a?prevValue=two", "value=x"), Put("/a?prevIndex=1", "value=x"),
			Put("/a?prevValue=two&prevIndex=1", "value=x"), Put("/a?prevValue=one&prevIndex=1", "value=x"),
			Put("/a?prevValue=two&prevIndex={a}", "value=x"), Put("/a?prevValue=one&prevIndex={a}", "value=two").As("b"),
			Put("/a?prevIndex={a}", "value=x"), Put("/a?prevIndex={b}", "value=three"), Put("/a", "value=&prevValue=three"),
			Put("/a?prevValue=x", "value=y"), Get("/a"), Put("/a?prevIndex=0", "value=z"), Put("/a?prevIndex=0&prevValue=z", "value=w"),
			Put("/a?prevValue=w", "dir=true"), Get("/a"),
		}},
		{Name: "compare and swap on what is no file", Facts: []int{16}, Steps: []Step{
			Put("/none?prevValue=1", "value=2"), Put("/none?prevIndex=5", "value=2"), Put("/d/e", "dir=true").As("d"),
			Put("/d?prevValue=1", "value=2"), Put("/d?prevIndex={d}", "value=2"), Put("/d?prevValue=1", "dir=true"),
			Put("/d?prevIndex={d}&recursive=true", "dir=true"), Delete("/none?prevValue=1"), Delete("/none?prevIndex=5"),
			Delete("/d?prevValue=1"), Delete("/d?prevIndex={d}"), Delete("/d?prevIndex={d}&recursive=true"),
			Delete("/d?prevValue=1&dir=true"),
		}},
		{Name: "compare and delete", Facts: []int{15, 17}, Steps: []Step{
			Put("/a", "value=one").As("a"), Delete("/a?prevValue=two"), Delete("/a?prevIndex=1"), Delete("/a?prevValue=two&prevIndex=1"),
			Delete("/a?prevValue="), Delete("/a?prevIndex="), Delete("/a?prevIndex=x"), Delete("/a?prevValue=one&prevIndex=1"),
			Delete("/a?prevValue=one&prevIndex={a}"), Get("/a"), Put("/a", "value=two").As("b"), Delete("/a?prevIndex={b}"),
			Put("/a", "value=three&ttl=100"), Delete("/a?prevIndex=0"), Put("/e", "value="), Delete("/e?prevValue=x"),
			Put("/e", "value=x"), Delete("/e?prevIndex=0&prevValue=x"),
		}},
		{Name: "empty conditions", Facts: []int{17}, Steps: []Step{
			Put("/a", "value="), Put("/a?prevValue=", "value=1"), Put("/a", "value=1&prevValue="), Put("/a?prevIndex=", "value=1"),
			Put("/a?prevIndex=0", "value=1"), Put("/new?prevIndex=0", "value=1"), Get("/a?prevValue="), Head("/a?prevValue="),
			Post("/a?prevValue=", "value=1"), Delete("/a?prevIndex=0"),
		}},
	}
}

func deleteScenarios() []Scenario {
	return []Scenario{
		{Name: "deletion of directories", Facts: []int{18}, Steps: []Step{
			Put("/d/x", "value=1"), Delete("/d"), Delete("/d?dir=false"), Delete("/d?recursive=false"), Delete("/d?dir=true"),
			Delete("/d?recursive=true&dir=false"), Get("/d"), Put("/d", "dir=true"), Delete("/d"), Delete("/d?dir=true"),
			Put("/d/_h", "value=1"), Delete("/d?dir=true"), Delete("/d?dir=true&recursive=true"), Put("/d/e/f/g", "value=1"),
			Delete("/d/e/f?recursive=true"), Get("/d?recursive=true"), Delete("/d/e/"), Delete("/d/e/?dir=true"),
		}},
		{Name: "deletion of files", Facts: []int{18, 20}, Steps: []Step{
			Put("/f", "value=1"), Delete("/f?dir=true"), Put("/f", "value=1"), Delete("/f?recursive=true"), Put("/f", "value=1"),
			Delete("/f?prevExist=false"), Put("/f", "value=1"), Delete("/f?prevExist=true"), Delete("/f?prevExist=true"),
			Put("/f", "value=1"), Delete("/f?prevExist=bad"),
			Call(Request{Method: "DELETE", Path: "/v2/keys/f", Body: "prevValue=9", Type: formType}), Delete("/f"), Put("/d/x", "value=1"),
			Call(Request{Method: "DELETE", Path: "/v2/keys/d", Body: "recursive=true", Type: formType}), Delete("/d?ttl=5&recursive=true"),
		}},
	}
}

func parameterScenarios() []Scenario {
	typed := func(contentType, body string) Step {
		return Call(Request{Method: "PUT", Path: "/v2/keys/t", Body: body, Type: contentType})
	}
	return []Scenario{
		{Name: "query and body", Facts: []int{20}, Steps: []Step{
			Put("/a?value=q", ""), Put("/a?value=q", "value=b"), Put("/a?value=q1&value=q2", ""), Put("/a", "value=b1&value=b2"),
			Put("/a?prevExist=false", "value=x&prevExist=true"), Put("/a?ttl=bad", "value=x&ttl=100"), Put("/a?ttl=100", "value=x&ttl="),
			Put("/a?ttl=100&dir=false", "value=x&unknown=1"), Put("/a?Value=q&VALUE=r", ""), Put("/a?prevValue=wrong", "prevValue=&value=y"),
			Put("/d?dir=true", "value=1"), Put("/e?dir=true", "dir=false&value=1"), Post("/q?value=1", "value=2"), Post("/q?value=1", ""),
			Get("/a?value=x&ttl=5"), Get("/d?recursive=false&recursive=true"), Put("/a?prevValue=&prevValue=x", "value=1"),
		}},
		{Name: "content types", Facts: []int{20}, Steps: []Step{
			typed("", "value=none"), typed("text/plain", "value=text"), typed("application/json", `{"value":"json"}`),
			typed("application/x-www-form-urlencoded; charset=utf-8", "value=charset"),
			typed("application/x-www-form-urlencoded; param=value", "value=go-etcd"), typed("Application/X-WWW-Form-URLEncoded", "value=upper"),
			typed("application/x-www-form-urlencodedx", "value=x"), typed("application/octet-stream", "value=o"),
			typed("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nm\r\n--b--\r\n"),
			typed(";;;", "value=broken"), typed("a/b; x", "value=broken"), typed("/", "value=broken"),
			Call(Request{Method: "GET", Path: "/v2/keys/t", Body: "recursive=bad", Type: formType}),
			Put("/t?quorum=true", "value=q"), Delete("/none?quorum=true"),
			Call(Request{Method: "POST", Path: "/v2/keys/q", Body: "value=1", Type: "text/plain"}), Get("/t"),
		}},
		{Name: "broken forms", Facts: []int{51}, Steps: []Step{
			Put("/a", "value=1;2"), Put("/a?value=1;2", "value=1"), Get("/a?x=1;y=2"), Put("/a", "value=%zz"), Put("/a?value=%zz", ""),
			Put("/a?x=%", "value=1"), Put("/a", "%gg=1&value=2"), Get("/a?recursive=%zz"), Delete("/a?x=;"), Get("/a"), Put("/a", "=1&&&value=3&="),
			Get("/?;"), Post("/q", "value=1;2"), Head("/a?;"), Put("/", "value=1;2"),
		}},
	}
}
