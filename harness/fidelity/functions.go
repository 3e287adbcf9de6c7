package main

import (
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/validation"
	analysisutil "github.com/argoproj/argo-rollouts/utils/analysis"
	"github.com/argoproj/argo-rollouts/utils/conditions"
	replicasetutil "github.com/argoproj/argo-rollouts/utils/replicaset"
	rolloututil "github.com/argoproj/argo-rollouts/utils/rollout"
	timeutil "github.com/argoproj/argo-rollouts/utils/time"
)

// question names a function and what it is to be called with.
type question struct {
	Function string                  `json:"function"`
	Rollout  *v1alpha1.Rollout       `json:"rollout,omitempty"`
	New      *pods                   `json:"new,omitempty"`
	Stable   *pods                   `json:"stable,omitempty"`
	Others   []pods                  `json:"others,omitempty"`
	After    *v1alpha1.RolloutStatus `json:"after,omitempty"`
	Now      int64                   `json:"now,omitempty"`
	Step     *v1alpha1.CanaryStep    `json:"step,omitempty"`
	Metric   *v1alpha1.Metric        `json:"metric,omitempty"`
}

// pods are those of a ReplicaSet.
type pods struct {
	Spec      int32 `json:"spec"`
	Created   int32 `json:"created"`
	Available int32 `json:"available"`
}

func (p *pods) replicaSet(hash string) *appsv1.ReplicaSet {
	if p == nil {
		return nil
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: hash}}
	set.Labels = map[string]string{v1alpha1.DefaultRolloutUniqueLabelKey: hash}
	set.Spec.Replicas = &p.Spec
	set.Status.Replicas = p.Created
	set.Status.AvailableReplicas = p.Available
	return set
}

type answer map[string]any

func answerFunction(line []byte) (any, error) {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	switch q.Function {
	case "sizing":
		return sizing(q), nil
	case "phase":
		phase, message := rolloututil.CalculateRolloutPhase(q.Rollout.Spec, q.Rollout.Status)
		return answer{"phase": phase, "message": message}, nil
	case "progress":
		return progress(q), nil
	case "step":
		return answer{"text": rolloututil.CanaryStepString(*q.Step)}, nil
	case "metric":
		if err := analysisutil.ValidateMetric(*q.Metric); err != nil {
			return answer{"refused": err.Error()}, nil
		}
		return answer{"count": effectiveCount(q.Metric)}, nil
	case "validate":
		return validate(q.Rollout), nil
	}
	return nil, fmt.Errorf("there is no function %q", q.Function)
}

// validate gives the first problem, which is the one that the condition of a Rollout tells.
func validate(ro *v1alpha1.Rollout) (made answer) {
	defer func() {
		if panicked := recover(); panicked != nil {
			made = answer{"panic": fmt.Sprint(panicked)}
		}
	}()
	// What a workloadRef leads to is in place by then.
	ro.Spec.TemplateResolvedFromRef = ro.Spec.WorkloadRef != nil
	problems := validation.ValidateRollout(ro)
	if len(problems) == 0 {
		return answer{}
	}
	return answer{"refused": problems[0].Error()}
}

func effectiveCount(metric *v1alpha1.Metric) *int {
	count := metric.EffectiveCount()
	if count == nil {
		return nil
	}
	value := count.IntValue()
	return &value
}

func sizing(q question) answer {
	ro := q.Rollout
	newRS := q.New.replicaSet(ro.Status.CurrentPodHash)
	stableRS := q.Stable.replicaSet(ro.Status.StableRS)
	if ro.Status.CurrentPodHash == ro.Status.StableRS {
		stableRS = newRS
	}
	var others []*appsv1.ReplicaSet
	for index := range q.Others {
		others = append(others, q.Others[index].replicaSet(fmt.Sprint("other-", index)))
	}
	pods, weight := replicasetutil.GetCanaryReplicasOrWeight(ro, newRS, stableRS)
	canary, stable := int32(0), int32(0)
	if ro.Spec.Strategy.Canary.TrafficRouting == nil {
		canary, stable = replicasetutil.CalculateReplicaCountsForBasicCanary(ro, newRS, stableRS, others)
	} else {
		canary, stable = replicasetutil.CalculateReplicaCountsForTrafficRoutedCanary(ro, newRS, stableRS, ro.Status.Canary.Weights)
	}
	return answer{
		"pods":        pods,
		"weight":      weight,
		"surge":       replicasetutil.MaxSurge(ro),
		"unavailable": replicasetutil.MaxUnavailable(ro),
		"canary":      canary,
		"stable":      stable,
		"reached":     replicasetutil.AtDesiredReplicaCountsForCanary(ro, newRS, stableRS, others, ro.Status.Canary.Weights),
	}
}

func progress(q question) answer {
	timeutil.SetNowTimeFunc(func() time.Time { return time.Unix(q.Now, 1) })
	defer timeutil.SetNowTimeFunc(time.Now)
	return answer{
		"progressing": conditions.RolloutProgressing(q.Rollout, q.After),
		"healthy":     conditions.RolloutHealthy(q.Rollout, q.After),
		"completed":   conditions.RolloutCompleted(q.After),
		"timedOut":    conditions.RolloutTimedOut(q.Rollout, q.After),
	}
}
