package charts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// kubeSchemas finds the schema of a kind: those of Kubernetes are in a module that embeds them, those of the operators in
// testdata.
type kubeSchemas struct {
	dir      string // with api/v1.json and apis/GROUP/VERSION.json
	compiled map[string]*jsonschema.Schema
}

func newKubeSchemas(t *testing.T) *kubeSchemas {
	t.Helper()
	version, sum := pinned(t, "KUBE_SCHEMAS_VERSION"), pinned(t, "KUBE_SCHEMAS_SUM")
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/kubectl-validate@"+version)
	cmd.Dir = t.TempDir() // outside of this module
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); err != nil || jsonErr != nil {
		t.Fatalf("the schemas of Kubernetes cannot be had: %v %v %s", err, jsonErr, module.Error)
	}
	if module.Sum != sum {
		t.Fatalf("the schemas of Kubernetes have the sum %s, want %s", module.Sum, sum)
	}
	return &kubeSchemas{
		dir:      filepath.Join(module.Dir, "pkg", "openapiclient", "builtins", kubeVersion),
		compiled: map[string]*jsonschema.Schema{},
	}
}

// validate says what is wrong with an object.
func (k *kubeSchemas) validate(o object) error {
	apiVersion := at[string](o, "apiVersion")
	schema, err := k.schema(apiVersion, o.kind())
	if err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (k *kubeSchemas) schema(apiVersion, kind string) (*jsonschema.Schema, error) {
	id := apiVersion + "/" + kind
	if s := k.compiled[id]; s != nil {
		return s, nil
	}
	path := filepath.Join(k.dir, "apis", filepath.FromSlash(apiVersion)+".json")
	group, version, hasGroup := strings.Cut(apiVersion, "/")
	if !hasGroup {
		version, group = group, ""
		path = filepath.Join(k.dir, "api", version+".json")
	}
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		text, err = os.ReadFile(filepath.Join("testdata", "schemas", group+"_"+version+".json"))
	}
	if err != nil {
		return nil, fmt.Errorf("no schema of %s: %w", id, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	name := ""
	for key, value := range at[map[string]any](doc, "components", "schemas") {
		definition := value.(map[string]any)
		forbidOthers(definition)
		for _, gvk := range list(definition, "x-kubernetes-group-version-kind") {
			if gvk["group"] == group && gvk["version"] == version && gvk["kind"] == kind {
				name = key
			}
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%s has no %s", path, kind)
	}
	compiler := jsonschema.NewCompiler()
	url := "mem:///" + id
	if err := compiler.AddResource(url, normal(doc)); err != nil {
		return nil, err
	}
	s, err := compiler.Compile(url + "#/components/schemas/" + name)
	k.compiled[id] = s
	return s, err
}

// forbidOthers makes unknown fields an error, as a server with strict validation does.
func forbidOthers(schema map[string]any) {
	if properties, ok := schema["properties"].(map[string]any); ok {
		if _, free := schema["additionalProperties"]; !free {
			schema["additionalProperties"] = false
		}
		for _, p := range properties {
			forbidOthers(p.(map[string]any))
		}
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		if m, ok := schema[inner].(map[string]any); ok {
			forbidOthers(m)
		}
	}
}

// normal is the value as the compiler wants it.
func normal(doc any) any {
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // It was JSON.
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	return value
}

func TestObjectsAreValid(t *testing.T) {
	schemas := newKubeSchemas(t)
	for _, set := range valueSets(t) {
		for _, o := range objects(t, mustRender(t, set)) {
			if err := schemas.validate(o); err != nil {
				t.Errorf("%s: %v: %v", set, o, err)
			}
		}
	}
}

// The validation notices what it is there for.
func TestInvalidObjectsAreNoticed(t *testing.T) {
	schemas := newKubeSchemas(t)
	for _, c := range []struct{ name, text string }{
		{"unknown field", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: 1}}"},
		{"unknown field deep inside", "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b, livenessProbe: {httpGet: {port: 1, pfad: /}}}]}}"},
		{"wrong type", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: '1'}]}}"},
		{"required field", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {serviceName: a}}"},
		{"unknown kind", "{apiVersion: apps/v1, kind: StatefulSets, metadata: {name: a}}"},
		{"unknown version", "{apiVersion: apps/v3, kind: StatefulSet, metadata: {name: a}}"},
		{"operator's field", "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {selector: {}, endpoint: []}}"},
		{"operator's alert", "{apiVersion: monitoring.coreos.com/v1, kind: PrometheusRule, metadata: {name: a}, spec: {groups: [{name: a, rules: [{alert: A}]}]}}"},
		{"certificate without issuer", "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}, spec: {secretName: a}}"},
	} {
		asJSON, err := yaml.YAMLToJSON([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var o object
		if err := json.Unmarshal(asJSON, &o); err != nil {
			t.Fatal(err)
		}
		if err := schemas.validate(o); err == nil {
			t.Errorf("%s: was not noticed", c.name)
		}
	}
}
