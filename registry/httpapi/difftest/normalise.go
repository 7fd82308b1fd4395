package difftest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// normaliser turns the answers of one transcript into texts that are equal when two servers behave equally.
type normaliser struct {
	labels *labels
	times  *times
	// learn is false while an answer is rendered in which the servers rightly differ.
	learn bool
}

func newNormaliser() *normaliser {
	return &normaliser{labels: newLabels(), times: newTimes(), learn: true}
}

// answer renders one answer. Answers must be given in the order of the transcript.
func (n *normaliser) answer(a Answer) string {
	n.times.sent(a)
	var b strings.Builder
	if a.Status != 0 {
		fmt.Fprintf(&b, "%d %s\n", a.Status, http.StatusText(a.Status))
		n.headers(&b, a.Header)
	}
	if a.Note != "" {
		b.WriteString(a.Note + "\n")
	}
	if len(a.Body) > 0 {
		b.WriteString(n.body(a))
	}
	return b.String()
}

// comparedHeaders are shown with their values, presentHeaders only by their presence.
var (
	comparedHeaders = []string{
		"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin",
		"Allow", "Content-Type", "Location",
	}
	presentHeaders = []string{"X-Etcd-Cluster-Id", "X-Raft-Index", "X-Raft-Term"}
)

func (n *normaliser) headers(b *strings.Builder, header http.Header) {
	for _, name := range comparedHeaders {
		if values, there := header[name]; there {
			fmt.Fprintf(b, "%s: %s\n", name, strings.Join(values, " | "))
		}
	}
	for _, name := range presentHeaders {
		if header.Get(name) != "" {
			fmt.Fprintf(b, "%s: there\n", name)
		}
	}
	if text := header.Get("X-Etcd-Index"); text != "" {
		fmt.Fprintf(b, "X-Etcd-Index: %s\n", n.index(text))
	}
}

// index names an index given as text.
func (n *normaliser) index(text string) string {
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return "not an index: " + text
	}
	return n.labels.name(index, n.learn)
}

// body renders JSON with its variable parts replaced, everything else as it came. The end of the last line is made visible.
func (n *normaliser) body(a Answer) string {
	text, newline := strings.CutSuffix(string(a.Body), "\n")
	if value, err := parseJSON(a.Body); err == nil {
		text = n.json(a, value)
	}
	if newline {
		text += "\\n"
	}
	return text + "\n"
}

func (n *normaliser) json(a Answer, value any) string {
	if a.Sent.param("sorted") != "true" {
		sortNodes(value)
	}
	n.times.learn(value)
	var b strings.Builder
	n.write(&b, a, value)
	return b.String()
}

func (n *normaliser) write(b *strings.Builder, a Answer, value any) {
	switch value := value.(type) {
	case []member:
		b.WriteByte('{')
		for i, m := range value {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", m.name)
			n.writeField(b, a, m, value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, element := range value {
			if i > 0 {
				b.WriteByte(',')
			}
			n.write(b, a, element)
		}
		b.WriteByte(']')
	default:
		text, _ := json.Marshal(value)
		b.Write(text)
	}
}

// writeField renders one member of object: the place where names decide what is variable.
func (n *normaliser) writeField(b *strings.Builder, a Answer, m member, object []member) {
	switch m.name {
	case "modifiedIndex", "createdIndex", "index":
		b.WriteString(n.index(fmt.Sprint(m.value)))
	case "expiration":
		fmt.Fprintf(b, "%q", n.times.expiration(fmt.Sprint(m.value)))
	case "ttl":
		fmt.Fprintf(b, "%q", n.times.ttl(a, m.value, object))
	case "key":
		fmt.Fprintf(b, "%q", n.inOrderKey(fmt.Sprint(m.value)))
	case "cause":
		fmt.Fprintf(b, "%q", n.cause(a.Sent, fmt.Sprint(m.value)))
	default:
		n.write(b, a, m.value)
	}
}

var (
	inOrderName  = regexp.MustCompile(`/0\d{19}`)
	givenCurrent = regexp.MustCompile(`\[(\d+) != (\d+)\]$`)
	cleared      = regexp.MustCompile(`\[(\d+)/(\d+)\]$`)
)

// inOrderKey replaces names that the server made of an index.
func (n *normaliser) inOrderKey(key string) string {
	return inOrderName.ReplaceAllStringFunc(key, func(name string) string {
		return "/in-order " + n.index(strings.TrimLeft(name, "/0"))
	})
}

// cause replaces the indexes in an error's cause. The number that the client gave is no index of the server's.
func (n *normaliser) cause(sent Request, cause string) string {
	if parts := givenCurrent.FindStringSubmatchIndex(cause); parts != nil {
		given, current := cause[parts[2]:parts[3]], cause[parts[4]:parts[5]]
		if sent.param("prevIndex") == given {
			return cause[:parts[0]] + "[given != " + n.index(current) + "]"
		}
	}
	if parts := cleared.FindStringSubmatchIndex(cause); parts != nil {
		return cause[:parts[0]] + "[oldest/asked]"
	}
	return n.inOrderKey(cause)
}

// sortNodes puts every listing into the order of its keys.
func sortNodes(value any) {
	object, _ := value.([]member)
	for _, m := range object {
		if list, isList := m.value.([]any); isList && m.name == "nodes" {
			slices.SortFunc(list, func(a, b any) int {
				return strings.Compare(fmt.Sprint(field(a, "key")), fmt.Sprint(field(b, "key")))
			})
			for _, child := range list {
				sortNodes(child)
			}
		} else {
			sortNodes(m.value)
		}
	}
}
