package difftest

// Difference is one way in which Rollcall behaves differently from etcd on purpose.
type Difference struct {
	// ID is the name that steps cite.
	ID string
	// Etcd and Rollcall say what each does, Reason why Rollcall does it so.
	Etcd, Rollcall, Reason string
	// Treatment says how the tests deal with it.
	Treatment string
}

// Treatments that many differences share.
const (
	byStep = "the step states both answers"
	byTest = "a test of its own"
)

// Differences is the whole list. docs/differences.md shows the same rows, and each must be met by at least one test.
func Differences() []Difference {
	return []Difference{
		{
			"sparse-indexes", "Indexes count 1, 2, 3.", "Indexes are per node, follow the clock (62,500 a second) and stay below 2^53.",
			"No disk write for each, order across restarts, and a client that comes from another node is recognised.",
			"indexes are named in the order of their appearance; the order of all must be the same",
		},
		{
			"foreign-index", "A waitIndex it never gave out is the past or the future.", "A waitIndex of another node (told by 31 tags that nodes share out among them, so not always with more than 16 nodes) or of an earlier run answers errorCode 401.",
			"A client that changes nodes must list again instead of missing changes or hanging.", byTest,
		},
		{
			"renewals-silent", "Every PUT is an event.",
			"A PUT that repeats a live entry's value and TTL is answered as in etcd but is no event, unless the node runs with --renewal-events.",
			"Heartbeats are no news: they would wake every watcher and flush the history.", byStep + "; random tests take etcd's events of just these PUTs out",
		},
		{
			"listings-sorted", "Listings come in changing order without sorted=true.", "Listings are always sorted.",
			"It costs nothing and answers can be compared.", "listings are sorted before they are compared; a test checks ours",
		},
		{
			"history-size", "History is the last 1000 events of the whole server.",
			"History is 64 Ki events and 64 MiB a node, shared out so that a busy top-level name does not evict a quiet one's (the first 1,024 names have a part each, later ones share one).",
			"Watchers must be able to resume after a busy minute.", byStep,
		},
		{
			"history-by-path", "In history the removal of /d matches every path that begins with the string /d, such as /dd.",
			"It matches /d and what is below.", "The rest is an accident.", byStep,
		},
		{
			"history-hidden", "A recursive watch sees hidden keys in history.", "It never does, as live.", "Live and resumed watches must see the same.", byStep,
		},
		{
			"removal-wakes-below", "The removal of a directory wakes live watches only on nodes that existed; those of the history do not care.",
			"It wakes every watch below the directory.", "Live and resumed watches must see the same.", byStep,
		},
		{
			"removal-once", "A stream gets the removal of the watched node twice.", "Once.", "Each event is delivered once.", byStep,
		},
		{
			"stream-goes-on", "stream=true with a waitIndex in the past gives one event and then nothing, not even live ones.",
			"It gives all events from there on and then the live ones.", "What a resumed stream is for.", byStep,
		},
		{
			"slow-stream", "A stream whose reader is too slow is closed without a word.", "Its last document is errorCode 401.",
			"The client learns that it must list again.", byTest,
		},
		{
			"expiry-prompt", "An entry may outlive its TTL by half a second.", "It ends within milliseconds; no answer shows an entry past its TTL.",
			"A dead host must leave the balancer on time.", "tests poll until etcd is as far; a test of its own checks ours",
		},
		{
			"ttl-overflow", "A TTL that ends after the year 2262 is dropped; the largest ones overflow and expire at once.",
			"A TTL that ends after the year 2262 is dropped, always.", "An overflow must not delete.", byStep,
		},
		{
			"body-limit", "Bodies above 10 MiB: 400 and errorCode 210.", "Bodies above 1 MiB (a flag, up to 8 MiB): 413 and errorCode 210.",
			"A registry holds addresses; memory is bounded.", byStep,
		},
		{
			"key-limits", "Any path is a key.", "Keys with NUL or with more than 128 segments: 400 and errorCode 209.",
			"One request must not make thousands of directories; NUL is never meant.", byStep,
		},
		{
			"members-read-only", "Members are added and removed through /v2/members.", "/v2/members can only be read: 405.",
			"Nodes join and leave by themselves.", byStep,
		},
		{
			"no-auth", "/v2/auth administers users and roles.", "There is no /v2/auth: 404.", "Not offered.", byStep,
		},
		{
			"no-leader", "The leader's statistics; 403 on a follower.", "/v2/stats/leader answers as a follower: 403.", "There is no leader.", byStep,
		},
		{
			identity, "Versions, names, ids and addresses of an etcd member.", "Those of a Rollcall node, in the same shapes; /version has our own beside them, and /v2/members/leader is whoever answers.",
			"They are facts about the server.", byStep + " in its shape",
		},
	}
}
