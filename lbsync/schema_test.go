package lbsync

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"rollcall/docs"
)

// The schema and Config have the same keys.
func TestSchemaHasEveryKey(t *testing.T) {
	keys := yamlKeys(reflect.TypeFor[Config](), "")
	s := schemaReader{t: t}
	if err := json.Unmarshal([]byte(docs.LbsyncSchema), &s.root); err != nil {
		t.Fatal(err)
	}
	s.read(s.root, "")
	slices.Sort(keys)
	slices.Sort(s.keys)
	if d := cmp.Diff(keys, s.keys); d != "" {
		t.Errorf("Config (-) against the schema (+):\n%s", d)
	}
}

// yamlKeys lists the keys of a type: .services.*.port, .nginx[].check.
func yamlKeys(typ reflect.Type, at string) []string {
	switch typ.Kind() {
	case reflect.Pointer:
		return yamlKeys(typ.Elem(), at)
	case reflect.Map:
		return yamlKeys(typ.Elem(), at+".*")
	case reflect.Slice:
		return yamlKeys(typ.Elem(), at+"[]")
	case reflect.Struct:
		var keys []string
		for field := range typ.Fields() {
			key := at + "." + field.Tag.Get("yaml")
			keys = append(append(keys, key), yamlKeys(field.Type, key)...)
		}
		return keys
	default:
		return nil
	}
}

// A schemaReader lists the keys of a schema in the same way.
type schemaReader struct {
	t    *testing.T
	root map[string]any
	keys []string
}

func (s *schemaReader) read(node map[string]any, at string) {
	if at != "" && s.described(node) == "" {
		s.t.Errorf("%s has no description", at)
	}
	node = s.resolve(node)
	properties, isObject := node["properties"].(map[string]any)
	if isObject && node["additionalProperties"] != false {
		s.t.Errorf("%q lets unknown keys pass", at)
	}
	for name, child := range properties {
		s.keys = append(s.keys, at+"."+name)
		s.read(child.(map[string]any), at+"."+name)
	}
	if child, ok := node["additionalProperties"].(map[string]any); ok {
		s.read(child, at+".*")
	}
	if child, ok := node["items"].(map[string]any); ok {
		s.read(child, at+"[]")
	}
}

func (s *schemaReader) described(node map[string]any) string {
	text, ok := node["description"].(string)
	if !ok {
		text, _ = s.resolve(node)["description"].(string)
	}
	return text
}

func (s *schemaReader) resolve(node map[string]any) map[string]any {
	ref, ok := node["$ref"].(string)
	if !ok {
		return node
	}
	found, ok := s.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	if !ok {
		s.t.Fatalf("no %s", ref)
	}
	return found
}

// validate has the schema judge a configuration.
func validate(t *testing.T, text string) error {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(docs.LbsyncSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var content any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	converted, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(converted)))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(document)
}

func TestSchemaTakesWhatIsRight(t *testing.T) {
	example, err := os.ReadFile("../docs/examples/lbsync.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if line, _, _ := strings.Cut(string(example), "\n"); line != "# yaml-language-server: $schema=../lbsync.schema.json" {
		t.Errorf("the example begins with %q", line)
	}
	for name, text := range map[string]string{
		"example": string(example), "issue": issueExample, "full": full, "valid": valid,
		"nothing protected": strings.Replace(issueExample, "15%", "100%", 1),
	} {
		if err := validate(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// beyondSchema are the faults that a schema cannot see.
var beyondSchema = []string{
	"overlap", "twice", "two targets", "must not be shorter", "entry rejected", "fallback server must be an address", "unknown service",
	"endpoint must be a URL", "already defined", "more than one YAML document", "endpoints needs",
}

// What the program refuses the schema refuses as well, as far as a schema can.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	for _, tt := range slices.Concat(keyFaults, configFaults) {
		if slices.ContainsFunc(beyondSchema, func(s string) bool { return strings.Contains(tt.want, s) }) || tt.name == "syntax" {
			continue
		}
		if err := validate(t, tt.text()); err == nil {
			t.Errorf("the schema takes %q for %q: %s", tt.new, tt.old, tt.want)
		}
	}
}
