// Command kustomize renders repositories: JSON lines in, {"files": {path: content}, "target": directory} each,
// JSON lines out, what `kustomize build` prints or why it refuses. Every byte of a content is one character.
//
// It is a module of its own, because the controllers beside it need another version of kustomize's packages.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"sigs.k8s.io/kustomize/kustomize/v5/commands/build"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type question struct {
	Files  map[string]string `json:"files"`
	Target string            `json:"target"`
}

type answer struct {
	Output string `json:"output"`
	Error  string `json:"error"`
}

func main() {
	log.SetOutput(io.Discard)
	// Where it warns of fields that are deprecated, once a field and overlay.
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = nowhere
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			if err := json.NewEncoder(out).Encode(respond(line)); err != nil {
				panic(err)
			}
		}
		if err != nil {
			return
		}
	}
}

func respond(line []byte) (given answer) {
	defer func() {
		if cause := recover(); cause != nil {
			given = answer{Error: fmt.Sprint("panic: ", cause)}
		}
	}()
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		panic(err)
	}
	output, err := render(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: output}
}

// render runs the command itself, so that its flags have their defaults.
func render(asked question) (string, error) {
	files := filesys.MakeFsInMemory()
	for path, content := range asked.Files {
		if err := files.WriteFile("/"+path, contentBytes(content)); err != nil {
			return "", err
		}
	}
	var output bytes.Buffer
	command := build.NewCmdBuild(files, build.MakeHelp("kustomize", "build"), &output)
	command.SetArgs([]string{"/" + asked.Target})
	command.SilenceUsage, command.SilenceErrors = true, true
	err := command.Execute()
	return output.String(), err
}

func contentBytes(content string) []byte {
	raw := make([]byte, 0, len(content))
	for _, character := range content {
		raw = append(raw, byte(character))
	}
	return raw
}
