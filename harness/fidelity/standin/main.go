// Command standin copies Argo Rollouts' sources into FOLDER/argo-rollouts, with the package client of this folder in
// the place of the one that starts step plugins, and leaves FOLDER/go.mod for a build with them: `standin FOLDER`.
package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rehearse.dev/fidelity/upstream"
)

// client stands in for rollout/steps/plugin/client.
//
//go:embed client/client.go
var client []byte

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: standin FOLDER"))
	}
	folder, err := filepath.Abs(os.Args[1])
	fail(err)
	sources := filepath.Join(folder, "argo-rollouts")
	fail(os.RemoveAll(sources))
	fail(upstream.Copy(sources, func(path string) bool { return !strings.HasSuffix(path, "_test.go") }))
	fail(os.WriteFile(filepath.Join(sources, "rollout/steps/plugin/client/client.go"), client, 0o644))
	fail(upstream.WriteModules(sources, filepath.Join(folder, "go.mod")))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
