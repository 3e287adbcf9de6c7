// Package client stands in for Argo Rollouts' rollout/steps/plugin/client, which starts a process for every step
// plugin and talks to it over a socket: neither can be in a bubble. Here a plugin is whatever Start gives.
package client

import "github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"

// Start gives the plugin of a name.
var Start func(name string) (rpc.StepPlugin, error)

// GetPlugin is what the rollout controller asks.
func GetPlugin(name string) (rpc.StepPlugin, error) { return Start(name) }
