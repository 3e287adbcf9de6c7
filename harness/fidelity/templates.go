package main

import (
	"encoding/json"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	analysisutil "github.com/argoproj/argo-rollouts/utils/analysis"
)

// templatesQuestion is what an AnalysisRun is made of.
type templatesQuestion struct {
	Templates            []*v1alpha1.AnalysisTemplate        `json:"templates"`
	ClusterTemplates     []*v1alpha1.ClusterAnalysisTemplate `json:"clusterTemplates"`
	Args                 []v1alpha1.Argument                 `json:"args"`
	DryRun               []v1alpha1.DryRun                   `json:"dryRun"`
	MeasurementRetention []v1alpha1.MeasurementRetention     `json:"measurementRetention"`
}

// answerTemplates merges templates into the spec of an AnalysisRun.
func answerTemplates(line []byte) (any, error) {
	var q templatesQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	templates, clusterTemplates := analysisutil.FilterUniqueTemplates(q.Templates, q.ClusterTemplates)
	run, err := analysisutil.NewAnalysisRunFromTemplates(templates, clusterTemplates, q.Args, q.DryRun,
		q.MeasurementRetention, nil, nil, "run", "", "default")
	if err != nil {
		return answer{"refused": err.Error()}, nil
	}
	return answer{"spec": run.Spec}, nil
}
