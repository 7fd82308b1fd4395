package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/lbsync"
)

// configFlag is the flag that names the configuration file of a node. lbsync has a flag of that name for another one.
const configFlag = "config"

// hasConfigFile marks the commands whose flags may be in a configuration file.
const hasConfigFile = "config-file"

// notInFile are the flags that are for one run, and not for a file that is read at each start.
var notInFile = []string{configFlag, "check-config", "resync", "help"}

// addConfigFile gives a command a configuration file.
func addConfigFile(cmd *cobra.Command) {
	cmd.Annotations = map[string]string{hasConfigFile: ""}
	cmd.Flags().String(configFlag, "", "path of a YAML file with settings; flags and the environment win over it (default none)")
}

// configFileOf returns the path of the command's configuration file.
func configFileOf(cmd *cobra.Command) (path string, ok bool) {
	if _, has := cmd.Annotations[hasConfigFile]; !has {
		return "", false
	}
	path = cmd.Flags().Lookup(configFlag).Value.String()
	return path, path != ""
}

// yamlKey is the key that stands in for a flag: data-dir becomes data_dir.
func yamlKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// flagsFromFile sets the flags that are not set yet from the text of a configuration file, and returns the places of all
// that it holds. Every fault is reported, each with line and column; name stands for the file.
func flagsFromFile(cmd *cobra.Command, name string, text []byte) (places map[string]string, err error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxFault(name, err)
	}
	r := &fileReader{name: name, cmd: cmd, places: map[string]string{}}
	r.documents(file.Docs)
	return r.places, errors.Join(r.errs...)
}

// A fileReader goes through one configuration file.
type fileReader struct {
	name   string
	cmd    *cobra.Command
	places map[string]string // by flag
	errs   []error
}

// fail reports a fault at a node of the file.
func (r *fileReader) fail(at ast.Node, format string, args ...any) {
	position := at.GetToken().Position
	r.errs = append(r.errs, &lbsync.ConfigError{
		File: r.name, Line: position.Line, Column: position.Column, Message: fmt.Sprintf(format, args...),
	})
}

func (r *fileReader) documents(docs []*ast.DocumentNode) {
	docs = slices.DeleteFunc(docs, func(d *ast.DocumentNode) bool { return d.Body == nil || d.Body.Type() == ast.CommentType })
	if len(docs) == 0 {
		return
	}
	if len(docs) > 1 {
		r.fail(docs[1].Body, "more than one YAML document")
		return
	}
	settings, ok := docs[0].Body.(ast.MapNode)
	if !ok {
		r.fail(docs[0].Body, "the file must hold settings, such as listen: 0.0.0.0:4001")
		return
	}
	for entries := settings.MapRange(); entries.Next(); {
		r.setting(entries.Key(), entries.Value())
	}
}

// setting takes one key and its value.
func (r *fileReader) setting(key ast.MapKeyNode, value ast.Node) {
	word := key.GetToken().Value
	f := r.cmd.Flags().Lookup(strings.ReplaceAll(word, "_", "-"))
	switch {
	case f == nil:
		r.fail(key, "unknown key %q; docs/configuration.md and \"registry config\" have all", word)
		return
	case slices.Contains(notInFile, f.Name):
		r.fail(key, "%q is for the command line, not for a file", word)
		return
	case word != yamlKey(f.Name):
		r.fail(key, "unknown key %q; did you mean %s?", word, yamlKey(f.Name))
		return
	}
	position := key.GetToken().Position
	r.places[f.Name] = fmt.Sprintf("%s:%d:%d", r.name, position.Line, position.Column)
	if list, ok := value.(*ast.SequenceNode); ok {
		r.list(f, list)
		return
	}
	text, ok := scalar(value)
	if !ok {
		r.fail(value, "%s: must be %s", word, wanted(f))
		return
	}
	r.set(f, value, func() error { return f.Value.Set(text) })
}

// list sets a flag from a list.
func (r *fileReader) list(f *pflag.Flag, list *ast.SequenceNode) {
	target, ok := f.Value.(pflag.SliceValue)
	if !ok {
		r.fail(list, "%s: must be %s", yamlKey(f.Name), wanted(f))
		return
	}
	var values []string
	for _, node := range list.Values {
		text, ok := scalar(node)
		if !ok {
			r.fail(node, "%s: must be %s", yamlKey(f.Name), wanted(f))
			return
		}
		values = append(values, text)
	}
	r.set(f, list, func() error { return target.Replace(values) })
}

// set sets a flag. One that is set already is tried all the same: a file with a wrong value is wrong today, and not on the
// day when the flag is left out.
func (r *fileReader) set(f *pflag.Flag, at ast.Node, set func() error) {
	before, wasSet := f.Value.String(), f.Changed
	restore := func() error { return f.Value.Set(before) }
	if list, ok := f.Value.(pflag.SliceValue); ok {
		values := list.GetSlice()
		restore = func() error { return list.Replace(values) }
	}
	if err := set(); err != nil {
		r.fail(at, "%s: must be %s", yamlKey(f.Name), wanted(f))
		return
	}
	f.Changed = true
	if wasSet {
		if err := restore(); err != nil {
			r.fail(at, "%s: %v", yamlKey(f.Name), err)
		}
	}
}

// scalar is the text of a plain value. Null, mappings and YAML's aliases are none.
func scalar(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// wanted says in words what a flag takes.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int", "int64", "uint64":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return "a duration such as 10s"
	case "stringSlice":
		return "a list"
	}
	return "one value"
}

// syntaxFault gives an error of the YAML parser our form.
func syntaxFault(name string, err error) error {
	fault := &lbsync.ConfigError{File: name, Message: err.Error()}
	if e, ok := errors.AsType[yaml.Error](err); ok {
		fault.Message = e.GetMessage()
		if tk := e.GetToken(); tk != nil && tk.Position != nil {
			fault.Line, fault.Column = tk.Position.Line, tk.Position.Column
		}
	}
	return fault
}
