package difftest

func watchScenarios() []Scenario {
	return []Scenario{
		{Name: "long poll", Facts: []int{35, 40, 45}, Steps: []Step{
			Put("/a", "value=1").As("a"), Watch("w", "/a?wait=true"), Put("/b", "value=0"), Put("/a", "value=1"), Next("w"), Next("w"),
			Watch("w", "/a?wait=true&waitIndex={a}"), Next("w"), Next("w"), Watch("w", "/a?wait=true&waitIndex={a+1}"), Next("w"),
			Watch("w", "/a?wait=true&waitIndex=0"), Put("/a", "value=2"), Next("w"), Next("w"),
			Watch("n", "/none/x?wait=true"), Put("/none/x", "value=1"), Next("n"), Next("n"), Get("/a?waitIndex={a}"),
			Watch("d", "/a?wait=true"), Delete("/a"), Next("d"), Next("d"), Watch("c", "/a?wait=true"), Put("/a?prevExist=false", "value=x"), Next("c"),
			Watch("s", "/a?wait=true&sorted=true"), Put("/a?prevValue=x", "value=y").As("cas"), Next("s"),
			Watch("cad", "/a?wait=true"), Delete("/a?prevIndex={cas}"), Next("cad"), Next("cad"),
			Watch("slash", "/a/?wait=true"), Put("/a", "value=z"), Next("slash"),
		}},
		{Name: "directories are watched alone", Facts: []int{36}, Steps: []Step{
			Put("/d/x", "value=1"), Watch("w", "/d?wait=true"), Put("/d/x", "value=2"), Put("/d/y", "value=3"), Delete("/d/y"),
			Put("/d?prevExist=true", "dir=true&ttl=100"), Next("w"), Next("w"), Watch("w", "/d?wait=true"), Delete("/d?recursive=true"), Next("w"),
			Watch("w", "/d?wait=true"), Put("/d", "value=file"), Next("w"), Watch("w", "/d?wait=true"), Put("/d", "dir=true"), Next("w"),
			Watch("root", "/?wait=true"), Put("/e", "value=1"), Quiet("root"),
		}},
		{Name: "recursive long poll", Facts: []int{35, 36}, Steps: []Step{
			Put("/d/e/f", "value=1").As("f"), Watch("w", "/d?wait=true&recursive=true"), Put("/x", "value=1"), Put("/dd", "value=1"), Put("/d/e/g", "value=2"), Next("w"), Next("w"),
			Watch("r", "/?wait=true&recursive=true"), Put("/d/e/g", "value=3"), Next("r"), Watch("h", "/d?wait=true&recursive=true&waitIndex={f}"), Next("h"), Next("h"),
			Watch("self", "/d/e/f?wait=true&recursive=true"), Put("/d/e/f", "value=2"), Next("self"),
			Watch("p", "/d?wait=true&recursive=true"), Post("/d/q", "value=1"), Next("p"),
		}},
		{Name: "deletion of a directory wakes watches below", Facts: []int{37, 39}, Steps: []Step{
			Put("/d/e/f", "value=1"), Put("/d/_h/k", "value=1"), Put("/d/g", "value=1"),
			Watch("f", "/d/e/f?wait=true"), Watch("e", "/d/e?wait=true&recursive=true"), Watch("g", "/d/g?wait=true&recursive=true"), Watch("h", "/d/_h/k?wait=true"),
			Watch("d", "/d?wait=true"), Watch("up", "/?wait=true&recursive=true"), Delete("/d?recursive=true"),
			Next("f"), Next("e"), Next("g"), Next("h"), Next("d"), Next("up"), Next("f"), Next("h"),
		}},
		{Name: "live watches below that never existed", Facts: []int{37}, Steps: []Step{
			Put("/d/x", "value=1"), Watch("n", "/d/never?wait=true"), Delete("/d?recursive=true"), Put("/d/never", "value=1"),
			Next("n").Differs("removal-wakes-below", Expect{`"key":"/d/never"`}, Expect{`"action":"delete"`, `"key":"/d",`}),
		}},
		{Name: "a directory replaces a file", Facts: []int{45}, Steps: []Step{
			Put("/f", "value=1"), Watch("w", "/f/x?wait=true"), Watch("f", "/f?wait=true"), Put("/f", "dir=true"), Next("f"), Put("/f/x", "value=1"), Next("w"),
		}},
		{Name: "quorum and wait", Facts: []int{44}, Steps: []Step{
			Put("/a", "value=1"), Get("/a?wait=true&quorum=true"), Get("/a?wait=true&quorum=true&stream=true"), Get("/none?wait=true&quorum=true"),
			Get("/a?quorum=true&wait=true&waitIndex=1"), Watch("w", "/a?wait=true&quorum=false"), Put("/a", "value=2"), Next("w"),
		}},
		{Name: "stream without wait", Facts: []int{43}, Steps: []Step{
			Put("/a", "value=1"), Get("/a?stream=true"), Get("/?stream=true&recursive=true"),
		}},
	}
}

func streamScenarios() []Scenario {
	return []Scenario{
		{Name: "stream", Facts: []int{35, 43}, Steps: []Step{
			Put("/d/a", "value=1").As("a"), Watch("s", "/d?wait=true&stream=true&recursive=true"), Watch("k", "/d/a?wait=true&stream=true"),
			Put("/d/a", "value=2"), Put("/d/b", "value=3&ttl=100"), Put("/d/b?prevValue=3", "value=4"), Delete("/d/b"), Put("/d/c?prevExist=false", "value=5"),
			Put("/d/c?prevExist=true", "value=6"), Post("/d/q", "value=7"), Put("/d/a", "value=8"), Put("/d/e", "dir=true"), Delete("/d/e?dir=true"),
			Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("s"), Next("k"), Next("k"),
			Hang("s"), Put("/d/a", "value=9"), Next("k"), Hang("k"), Get("/d/a"),
		}},
		{Name: "removal of the watched node", Facts: []int{43}, Steps: []Step{
			Put("/a", "value=1"), Watch("s", "/a?wait=true&stream=true"), Delete("/a"), Put("/a", "value=2"), Put("/a", "value=3"),
			Next("s"), Next("s").Differs("removal-once", Expect{`"action":"delete"`}, Expect{`"value":"2"`}),
			Next("s").Differs("removal-once", Expect{`"value":"2"`}, Expect{`"value":"3"`}),
			Put("/d/x", "value=1"), Watch("r", "/d?wait=true&stream=true&recursive=true"), Delete("/d?recursive=true"), Put("/d/x", "value=2"),
			Next("r"), Next("r").Differs("removal-once", Expect{`"action":"delete"`}, Expect{`"value":"2"`}),
		}},
		{Name: "stream from the past", Facts: []int{43}, Steps: []Step{
			Put("/a", "value=1").As("a"), Put("/b", "value=x"), Put("/a", "value=2"), Watch("s", "/a?wait=true&stream=true&waitIndex={a}"), Next("s"),
			Put("/a", "value=3"),
			Quiet("s").Differs("stream-goes-on", Expect{"silence"}, Expect{`"value":"2"`}),
		}},
		{Name: "stream from the future", Facts: []int{40, 43}, Steps: []Step{
			Put("/a", "value=1").As("a"), Watch("s", "/a?wait=true&stream=true&waitIndex={a+1}"), Put("/a", "value=2"), Next("s"), Put("/a", "value=3"), Next("s"),
		}},
		{Name: "idle watches stay open", Facts: []int{46}, Steps: []Step{
			Put("/a", "value=1"), Watch("w", "/a?wait=true"), Watch("s", "/a?wait=true&stream=true"), Quiet("w"), Quiet("s"), Put("/a", "value=2"), Next("w"), Next("s"),
		}},
	}
}

func historyScenarios() []Scenario {
	fillRing := []Step{Put("/old", "value=1").As("old")}
	for range 1010 {
		fillRing = append(fillRing, Put("/busy", "value=1"))
	}
	return []Scenario{
		{Name: "history keeps events as they were", Facts: []int{40, 42}, Steps: []Step{
			Put("/a", "value=1&ttl=100").As("a"), Put("/a", "value=2").As("b"), Delete("/a").As("c"), Put("/a", "dir=true").As("d"),
			Put("/a/x", "value=1"), Watch("w", "/a?wait=true&waitIndex={a}"), Next("w"), Watch("w", "/a?wait=true&waitIndex={b}"), Next("w"),
			Watch("w", "/a?wait=true&waitIndex={c}"), Next("w"), Watch("w", "/a?wait=true&waitIndex={d}"), Next("w"),
			Watch("w", "/?wait=true&recursive=true&waitIndex={a}"), Next("w"), Watch("w", "/?wait=true&recursive=true&waitIndex={d+1}"), Next("w"),
			Watch("w", "/a/x?wait=true&waitIndex={a}"), Next("w"),
		}},
		{Name: "history of failures and of hidden answers", Facts: []int{5, 21, 40}, Steps: []Step{
			Put("/a", "value=1").As("a"), Put("/a?prevValue=9", "value=2"), Put("/a?noValueOnSuccess=true", "value=3"), Watch("w", "/a?wait=true&waitIndex={a+1}"), Next("w"),
		}},
		{Name: "history matches paths, not strings", Facts: []int{38}, Steps: []Step{
			Put("/d/x", "value=1"), Delete("/d?recursive=true").As("del"), Watch("never", "/d/never?wait=true&waitIndex={del}"), Next("never"),
			Watch("w", "/dd?wait=true&waitIndex={del}"), Put("/dd", "value=1"),
			Next("w").Differs("history-by-path", Expect{`"action":"delete"`, `"key":"/d",`}, Expect{`"key":"/dd"`}),
		}},
		{Name: "history hides hidden keys", Facts: []int{38, 39}, Steps: []Step{
			Put("/_h/k", "value=1").As("h"), Watch("w", "/?wait=true&recursive=true&waitIndex={h}"), Put("/seen", "value=2"),
			Next("w").Differs("history-hidden", Expect{`"/_h/k"`}, Expect{`"/seen"`}),
			Watch("own", "/_h?wait=true&recursive=true&waitIndex={h}"), Next("own"), Watch("key", "/_h/k?wait=true&waitIndex={h}"), Next("key"),
		}},
		{Name: "history is cleared", Facts: []int{41}, Steps: append(fillRing,
			Watch("w", "/old?wait=true&waitIndex={old}").Differs("history-size", Expect{"400"}, Expect{"200"}),
			Next("w").Differs("history-size", Expect{`"errorCode":401`}, Expect{`"key":"/old"`}),
			Watch("one", "/old?wait=true&waitIndex=1").Differs("history-size", Expect{"400"}, Expect{"200"}),
			Next("one").Differs("history-size", Expect{"has been cleared [oldest/asked]"}, Expect{`"key":"/old"`}),
			Watch("stream", "/old?wait=true&stream=true&recursive=true&waitIndex=1").Differs("history-size", Expect{"400"}, Expect{"200"}),
			Next("stream").Differs("history-size", Expect{`"errorCode":401`}, Expect{`"key":"/old"`}), Get("/old?waitIndex=1"),
		)},
	}
}

func hiddenWatchScenarios() []Scenario {
	return []Scenario{
		{Name: "watches do not see hidden keys", Facts: []int{39}, Steps: []Step{
			Watch("top", "/?wait=true&recursive=true&stream=true"), Watch("h", "/_h?wait=true&recursive=true&stream=true"), Watch("x", "/_h/_x?wait=true&stream=true"),
			Watch("d", "/d?wait=true&recursive=true&stream=true"),
			Put("/_h/k", "value=1"), Put("/_h/_x", "value=2"), Put("/d/_h/y", "value=3"), Put("/d/a/_b", "value=4"), Put("/_h/k", "value=5"), Put("/d/seen", "value=6"),
			Next("top"), Next("h"), Next("h"), Next("x"), Next("d"), Delete("/d?recursive=true"), Next("top"), Next("d"),
			Delete("/_h?recursive=true"), Next("h"), Next("x"), Put("/end", "value=1"), Next("top"),
		}},
	}
}
