package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
)

// wrapped is the text of a Go file in which a function has another name, and under its name stands one that
// writes each call down.
func wrapped(text []byte, function studied) ([]byte, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, function.file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	at := func(position token.Pos) int { return files.Position(position).Offset }
	between := func(from, to token.Pos) string { return string(text[at(from):at(to)]) }
	for _, declared := range parsed.Decls {
		if found, is := declared.(*ast.FuncDecl); is && found.Name.Name == function.name {
			source := func(node ast.Node) string { return between(node.Pos(), node.End()) }
			wrapper := wrapper{studied: function, found: found, source: source}
			head, tail := between(parsed.FileStart, found.Name.Pos()), between(found.Name.End(), parsed.FileEnd)
			return []byte(head + wrapper.upstreams() + tail + wrapper.text()), nil
		}
	}
	return nil, fmt.Errorf("%s: there is no function %s", function.file, function.name)
}

// imported is the text of a Go file that imports the package which writes calls down.
func imported(text []byte, file string) ([]byte, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	clause := int(parsed.Name.End() - parsed.FileStart)
	return []byte(string(text[:clause]) + "\n\nimport \"" + callsPackage + "\"" + string(text[clause:])), nil
}

// wrapper is the function that takes the place of another.
type wrapper struct {
	studied
	found  *ast.FuncDecl
	source func(ast.Node) string
}

func (w wrapper) upstreams() string { return "upstreams" + w.name }

func (w wrapper) text() string {
	receiver, call := "", w.upstreams()
	if w.found.Recv != nil {
		receiver = w.source(w.found.Recv) + " "
		call = w.found.Recv.List[0].Names[0].Name + "." + call
	}
	given, noted := w.parameters()
	outputs := make([]string, w.found.Type.Results.NumFields())
	for index := range outputs {
		outputs[index] = fmt.Sprint("output", index)
	}
	ended := outputs
	if w.after != "" {
		ended = append(ended[:len(ended):len(ended)], w.after)
	}
	list := func(values []string) string { return strings.Join(values, ", ") }
	return fmt.Sprintf(`
func %s%s%s %s {
	noted := calls.Begin(%s)
	defer noted.Close()
	%s
	%s := %s(%s)
	noted.End(%s)
	return %s
}
`, receiver, w.name, w.source(w.found.Type.Params), w.source(w.found.Type.Results), list(noted), w.before,
		list(outputs), call, list(given), list(ended), list(outputs))
}

// parameters are what the function is given, and what of it is written down: not the logs, and values of no
// stated type with their types.
func (w wrapper) parameters() (given, noted []string) {
	noted = append(noted, fmt.Sprintf("%q", path.Base(path.Dir(w.file))+"."+w.name))
	if w.receiver {
		noted = append(noted, w.found.Recv.List[0].Names[0].Name)
	}
	for _, parameter := range w.found.Type.Params.List {
		for _, name := range parameter.Names {
			given = append(given, name.Name)
			switch kind := w.source(parameter.Type); {
			case strings.HasSuffix(kind, ".Entry"):
			case kind == "any":
				noted = append(noted, "calls.Any{Value: "+name.Name+"}")
			default:
				noted = append(noted, name.Name)
			}
		}
	}
	return given, noted
}
