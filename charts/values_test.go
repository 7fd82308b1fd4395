package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// value is one setting of values.yaml: what its comment says and what it is by default.
type value struct {
	path, comment, normal string
}

// readValues reads values.yaml line by line: "# -- TEXT" describes the key in the line below.
func readValues(t *testing.T) []value {
	t.Helper()
	var values map[string]any
	text := readFile(t, filepath.Join(chartDir, "values.yaml"))
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON, &values); err != nil {
		t.Fatal(err)
	}
	var all []value
	var path []string
	comment := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		trimmed := strings.TrimLeft(line, " ")
		if after, ok := strings.CutPrefix(trimmed, "# -- "); ok {
			comment = after
			continue
		}
		key, _, ok := strings.Cut(trimmed, ":")
		if !ok || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "-") {
			continue
		}
		path = append(path[:min((len(line)-len(trimmed))/2, len(path))], key)
		if comment == "" {
			continue
		}
		normal, err := json.Marshal(at[any](values, path...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value{strings.Join(path, "."), comment, string(normal)})
		comment = ""
	}
	return all
}

const (
	tableBegin = "<!-- values: made by make chart CHARTFLAGS=-update -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

func TestReadmeHasAllValues(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| value | default | meaning |\n|---|---|---|\n")
	for _, v := range readValues(t) {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.path, strings.ReplaceAll(v.normal, "|", `\|`), strings.ReplaceAll(v.comment, "|", `\|`))
	}
	path := filepath.Join(chartDir, "README.md")
	before, rest, ok := strings.Cut(string(readFile(t, path)), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has not the lines between which its table stands", path)
	}
	golden(t, path, before+tableBegin+table.String()+"\n"+tableEnd+after)
}

// Each value has a comment, and the schema knows exactly the values that there are.
func TestSchemaKnowsAllValues(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(readFile(t, filepath.Join(chartDir, "values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, v := range readValues(t) {
		described[v.path] = true
	}
	var values map[string]any
	if err := yaml.Unmarshal(readFile(t, filepath.Join(chartDir, "values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	compareValues(t, schema, schema, values, described, "")
}

// compareValues walks down values and schema as far as values are described one by one.
func compareValues(t *testing.T, root, schema, values map[string]any, described map[string]bool, prefix string) {
	t.Helper()
	if ref, ok := strings.CutPrefix(at[string](schema, "$ref"), "#/definitions/"); ok {
		schema = at[map[string]any](root, "definitions", ref)
	}
	if prefix != "global." && schema["additionalProperties"] != false {
		t.Errorf("schema: %q takes unknown keys", prefix)
	}
	properties := at[map[string]any](schema, "properties")
	known, there := slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(values))
	if !slices.Equal(known, there) {
		t.Errorf("%q: the schema has %v, values.yaml has %v", prefix, known, there)
	}
	for key, v := range values {
		path := prefix + key
		if described[path] {
			continue
		}
		inner, ok := v.(map[string]any)
		property, known := properties[key].(map[string]any)
		if !ok || !known {
			t.Errorf("%s has no comment in values.yaml", path)
			continue
		}
		compareValues(t, root, property, inner, described, path+".")
	}
}
