package main

import (
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	analysisutil "github.com/argoproj/argo-rollouts/utils/analysis"
	templateutil "github.com/argoproj/argo-rollouts/utils/template"
)

// argumentsQuestion is a function and what it is called with.
type argumentsQuestion struct {
	Function string `json:"function"`
	// What the arguments of a run are made of.
	Rollout *v1alpha1.Rollout              `json:"rollout"`
	RunArgs []v1alpha1.AnalysisRunArgument `json:"runArgs"`
	Latest  string                         `json:"latest"`
	Stable  string                         `json:"stable"`
	// What arguments are put into.
	Metric *v1alpha1.Metric    `json:"metric"`
	Text   string              `json:"text"`
	Args   []v1alpha1.Argument `json:"args"`
	// What an experiment knows.
	Available int64    `json:"available"`
	Duration  string   `json:"duration"`
	Templates []string `json:"templates"`
	Made      []string `json:"made"`
}

// answerArguments makes arguments, or puts them into what is written.
func answerArguments(line []byte) (answered any, err error) {
	var q argumentsQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			answered, err = answer{"panic": fmt.Sprint(panicked)}, nil
		}
	}()
	switch q.Function {
	case "build":
		return given(analysisutil.BuildArgumentsForRolloutAnalysisRun(q.RunArgs, hashed(q.Stable), hashed(q.Latest), q.Rollout))
	case "metric":
		return given(analysisutil.ResolveMetricArgs(*q.Metric, q.Args))
	case "text":
		return given(templateutil.ResolveArgs(q.Text, q.Args))
	case "quoted":
		return given(templateutil.ResolveQuotedArgs(q.Text, q.Args))
	case "experiment":
		experiment, sets := q.experiment()
		return given(templateutil.ResolveExperimentArgsValue(q.Text, experiment, sets))
	case "encoded":
		written, err := json.Marshal(q.Rollout)
		return given(string(written), err)
	}
	return nil, fmt.Errorf("there is no function %q", q.Function)
}

func given(value any, err error) (any, error) {
	if err != nil {
		return answer{"refused": err.Error()}, nil
	}
	return answer{"given": value}, nil
}

func hashed(hash string) *appsv1.ReplicaSet {
	labels := map[string]string{v1alpha1.DefaultRolloutUniqueLabelKey: hash}
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
}

// experiment has the named templates, some of which were made.
func (q *argumentsQuestion) experiment() (*v1alpha1.Experiment, map[string]*appsv1.ReplicaSet) {
	experiment := &v1alpha1.Experiment{}
	experiment.Spec.Duration = v1alpha1.DurationString(q.Duration)
	if q.Available >= 0 {
		available := metav1.NewTime(time.Unix(q.Available, 0).UTC())
		experiment.Status.AvailableAt = &available
	}
	for _, name := range q.Templates {
		experiment.Spec.Templates = append(experiment.Spec.Templates, v1alpha1.TemplateSpec{Name: name})
	}
	sets := map[string]*appsv1.ReplicaSet{}
	for _, name := range q.Made {
		sets[name] = hashed("hash-of-" + name)
		sets[name].Name = "model-" + name
	}
	return experiment, sets
}
