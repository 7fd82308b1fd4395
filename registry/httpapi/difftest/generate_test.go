package difftest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// generator makes random steps over a small space of keys and values, so that they often meet.
type generator struct {
	*rand.Rand
	made int // Labelled steps so far: o0, o1, ...
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, seed))}
}

// step is the next random step.
func (g *generator) step() Step {
	step := g.any()
	step = step.As(fmt.Sprintf("o%d", g.made))
	g.made++
	return step
}

func (g *generator) any() Step {
	switch n := g.IntN(100); {
	case n < 15:
		return g.odd()
	case n < 50:
		return Put(g.target(g.conditions()), g.form())
	case n < 57:
		return Post(g.target(g.some("noValueOnSuccess=true", 10)), g.form())
	case n < 75:
		return Delete(g.target(g.removal()))
	case n < 97:
		return Get(g.target(g.some("recursive=true", 40), g.some("sorted=true", 20), g.some("quorum=true", 5)))
	default:
		return Head(g.target())
	}
}

// odd is a request with any parameters anywhere, often bad ones. It never waits, and asks for no TTL that ends soon.
func (g *generator) odd() Step {
	method := g.pick(http.MethodGet, http.MethodPut, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodHead)
	request := parseTarget(method, g.target(g.parameters(method)), "")
	if method != http.MethodHead && g.IntN(2) == 0 {
		request.Body = g.parameters(method)
		request.Type = g.pick(formType, formType, formType, "text/plain", "", formType+"; charset=utf-8")
	}
	return Call(request)
}

// parameters are up to four random ones.
func (g *generator) parameters(method string) string {
	var all []string
	for range g.IntN(5) {
		name := g.pick("recursive", "sorted", "dir", "quorum", "stream", "prevExist", "noValueOnSuccess", "refresh",
			"wait", "waitIndex", "prevIndex", "prevValue", "value", "ttl", "other")
		all = append(all, name+"="+g.value(method, name))
	}
	return strings.Join(all, g.pick("&", "&", "&", "&", "&", "&&", ";"))
}

func (g *generator) value(method, name string) string {
	switch name {
	case "prevValue", "value", "other":
		return g.pick("", "x", "y", "%20", "%", "a+b", "%C3%A9", "%ff", "=")
	case "waitIndex", "prevIndex":
		return g.pick("", "0", "1", "x", "-1", "{"+g.recent()+"}", "18446744073709551616")
	case "ttl":
		return g.pick("", "100", "200", "x", "-1", "1.5")
	case "wait":
		if method == http.MethodGet {
			return g.pick("", "false", "x")
		}
	}
	return g.pick("true", "true", "false", "", "x", "T", "0")
}

// target is a random key with the given parameters, those that are not empty.
func (g *generator) target(parameters ...string) string {
	var query []string
	for _, p := range parameters {
		if p != "" {
			query = append(query, p)
		}
	}
	if len(query) == 0 {
		return g.key()
	}
	return g.key() + "?" + strings.Join(query, "&")
}

// key is a path of one to three segments; seldom the root, or a key made by an earlier POST.
func (g *generator) key() string {
	if n := g.IntN(100); n < 2 {
		return "/"
	} else if n < 8 && g.made > 0 {
		return "{" + g.label() + ".key}"
	}
	var key strings.Builder
	for range 1 + g.IntN(3) {
		key.WriteString("/" + g.pick("a", "a", "a", "b", "b", "_h"))
	}
	return key.String()
}

func (g *generator) label() string { return fmt.Sprintf("o%d", g.IntN(g.made)) }

// conditions are those of a PUT.
func (g *generator) conditions() string {
	switch n := g.IntN(100); {
	case n < 45:
		return g.some("noValueOnSuccess=true", 10)
	case n < 55:
		return "prevExist=false"
	case n < 70:
		return "prevExist=true"
	case n < 85:
		return "refresh=true" + g.some("&prevExist=true", 50)
	default:
		return g.comparison() + g.some("&prevExist=true", 20)
	}
}

// comparison is a condition on value or index.
func (g *generator) comparison() string {
	value, index := "prevValue="+g.pick("x", "y"), "prevIndex="+g.pick("0", "1", "{"+g.recent()+"}", "{"+g.recent()+"}", "{"+g.recent()+"}")
	return g.pick(value, index, index, value+"&"+index)
}

// recent is one of the last labels: those whose index may still be current.
func (g *generator) recent() string { return fmt.Sprintf("o%d", max(0, g.made-1-g.IntN(8))) }

func (g *generator) form() string {
	var fields []string
	for _, field := range []string{
		g.some("value="+g.pick("", "x", "x", "y"), 75), g.some("ttl="+g.pick("100", "100", "200", ""), 45), g.some("dir=true", 20),
	} {
		if field != "" {
			fields = append(fields, field)
		}
	}
	return strings.Join(fields, "&")
}

// removal are the parameters of a DELETE.
func (g *generator) removal() string {
	switch n := g.IntN(100); {
	case n < 35:
		return ""
	case n < 55:
		return "dir=true"
	case n < 75:
		return "recursive=true"
	default:
		return g.comparison()
	}
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

// some is the text in so many of a hundred cases.
func (g *generator) some(text string, percent int) string {
	if g.IntN(100) < percent {
		return text
	}
	return ""
}
