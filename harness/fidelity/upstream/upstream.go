// Package upstream has copies of Argo Rollouts' sources, in the version of go.mod, in which something may be changed
// before they are compiled: Go does not let files of its own cache of modules be replaced.
package upstream

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Module is the one that is copied.
const Module = "github.com/argoproj/argo-rollouts"

// Copy copies go.mod and those of Go's files that are wanted, by their path in the module.
func Copy(to string, wanted func(path string) bool) error {
	from, err := downloaded()
	if err != nil {
		return fmt.Errorf("%s is not to be had: %w", Module, err)
	}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil || below != "go.mod" && (filepath.Ext(below) != ".go" || !wanted(filepath.ToSlash(below))) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, below)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}

// downloaded is where the sources are, once Go has them.
func downloaded() (string, error) {
	told, err := exec.Command("go", "mod", "download", "-json", Module).Output()
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	err = json.Unmarshal(told, &module)
	return module.Dir, err
}

// WriteModules writes the module files of a build in which the sources are those of a copy.
func WriteModules(sources, modules string) error {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	text = append(text, fmt.Sprintf("\nreplace %s => %s\n", Module, sources)...)
	if err := os.WriteFile(modules, text, 0o644); err != nil {
		return err
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(modules, "mod")+"sum", sums, 0o644)
}
