// Command tables runs the tests of Argo Rollouts with functions that write down how they are called: `tables FOLDER`
// copies the sources of the module that go.mod names into a folder, wraps the functions that studied.go lists, runs
// the tests of their packages, and leaves the calls in FOLDER/calls.jsonl, a line each.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rehearse.dev/fidelity/tables/calls"
	"rehearse.dev/fidelity/upstream"
)

const callsPackage = "rehearse.dev/fidelity/tables/calls"

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: tables FOLDER"))
	}
	folder, err := filepath.Abs(os.Args[1])
	fail(err)
	fail(record(folder))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func record(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	sources := filepath.Join(folder, "argo-rollouts")
	if err := upstream.Copy(sources, isWanted); err != nil {
		return err
	}
	if err := wrapAll(sources); err != nil {
		return err
	}
	modules := filepath.Join(folder, "go.mod")
	if err := upstream.WriteModules(sources, modules); err != nil {
		return err
	}
	recorded := filepath.Join(folder, "calls.jsonl")
	if err := test(modules, recorded); err == nil {
		return nil
	}
	// Some of these tests wait for the clock, and may fail on a busy machine: once more, from the beginning.
	if err := os.Remove(recorded); err != nil && !os.IsNotExist(err) {
		return err
	}
	return test(modules, recorded)
}

// isWanted tells which of Go's files are copied: of tests only those that are run.
func isWanted(file string) bool {
	return !strings.HasSuffix(file, "_test.go") || slices.Contains(packages, path.Dir(file))
}

func wrapAll(sources string) error {
	texts := map[string][]byte{}
	for _, function := range functions {
		file := filepath.Join(sources, filepath.FromSlash(function.file))
		text, read := texts[file]
		var err error
		if !read {
			if text, err = os.ReadFile(file); err != nil {
				return err
			}
			if text, err = imported(text, file); err != nil {
				return err
			}
		}
		if texts[file], err = wrapped(text, function); err != nil {
			return err
		}
	}
	for file, text := range texts {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// test runs the tests. Packages run side by side: a call is appended as a whole.
func test(modules, recorded string) error {
	arguments := []string{"test", "-modfile=" + modules, "-mod=mod", "-count=1", "-vet=off"}
	for _, folder := range packages {
		arguments = append(arguments, upstream.Module+"/"+folder)
	}
	run := exec.Command("go", arguments...)
	run.Env = append(os.Environ(), calls.File+"="+recorded)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	return run.Run()
}
