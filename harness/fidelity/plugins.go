package main

import (
	"path"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/steps/plugin/client"
	"github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/config"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

// pluginAnswer is what step plugins say of an operation. Times are seconds.
type pluginAnswer struct {
	Plugin       string  `json:"plugin"`
	Operation    string  `json:"operation"`
	Until        float64 `json:"until"`
	Takes        float64 `json:"takes"`
	Phase        string  `json:"phase"`
	Message      string  `json:"message"`
	RequeueAfter float64 `json:"requeueAfter"`
	Unreachable  string  `json:"unreachable"`
}

// stepPlugin says what the question tells it to say.
type stepPlugin struct {
	cluster *cluster
	name    string
}

// givePlugins has the controllers find every plugin installed (see standin).
func (c *cluster) givePlugins() error {
	client.Start = func(name string) (rpc.StepPlugin, error) { return &stepPlugin{c, name}, nil }
	_, err := config.InitializeConfig(c.kube, "argo-rollouts-config")
	return err
}

func (p *stepPlugin) InitPlugin() types.RpcError { return types.RpcError{} }

func (p *stepPlugin) Type() string { return p.name }

func (p *stepPlugin) Run(rollout *v1alpha1.Rollout, _ *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return p.say("Run", rollout)
}

func (p *stepPlugin) Terminate(rollout *v1alpha1.Rollout, _ *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return p.say("Terminate", rollout)
}

func (p *stepPlugin) Abort(rollout *v1alpha1.Rollout, _ *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return p.say("Abort", rollout)
}

func (p *stepPlugin) say(operation string, rollout *v1alpha1.Rollout) (types.RpcStepResult, types.RpcError) {
	passed := time.Since(p.cluster.started).Seconds()
	for _, answer := range p.cluster.question.Plugins {
		matches, _ := path.Match(answer.Plugin, p.name)
		if !matches || answer.Operation != operation || (answer.Until > 0 && passed >= answer.Until) {
			continue
		}
		if answer.Unreachable != "" {
			return types.RpcStepResult{}, types.RpcError{ErrorString: answer.Unreachable}
		}
		if operation == "Run" && time.Since(p.begun(rollout)).Seconds() < answer.Takes {
			return types.RpcStepResult{Phase: types.PhaseRunning, RequeueAfter: seconds(answer.RequeueAfter)}, types.RpcError{}
		}
		return types.RpcStepResult{Phase: types.StepPhase(answer.Phase), Message: answer.Message,
			RequeueAfter: seconds(answer.RequeueAfter)}, types.RpcError{}
	}
	return types.RpcStepResult{}, types.RpcError{}
}

// begun is when the plugin of the current step was asked to run first.
func (p *stepPlugin) begun(rollout *v1alpha1.Rollout) time.Time {
	for _, status := range rollout.Status.Canary.StepPluginStatuses {
		if status.Index == *rollout.Status.CurrentStepIndex && status.Name == p.name && status.Operation == v1alpha1.StepPluginOperationRun {
			return status.StartedAt.Time
		}
	}
	return time.Now()
}
