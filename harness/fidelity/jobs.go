package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	log "github.com/sirupsen/logrus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	batchlisters "k8s.io/client-go/listers/batch/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/argoproj/argo-rollouts/metricproviders/job"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	timeutil "github.com/argoproj/argo-rollouts/utils/time"
)

// jobQuestion is what the provider is to do, for which run, and which Jobs there are.
type jobQuestion struct {
	Do          string                `json:"do"`
	Run         *v1alpha1.AnalysisRun `json:"run"`
	Metric      v1alpha1.Metric       `json:"metric"`
	Measurement v1alpha1.Measurement  `json:"measurement"`
	Jobs        []*batchv1.Job        `json:"jobs"`
	Limit       int                   `json:"limit"`
	// Nanoseconds since 1970.
	Now int64 `json:"now"`
}

// answerJob has the real provider work with an API in memory.
func answerJob(line []byte) (answered any, err error) {
	var q jobQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			answered, err = answer{"panic": fmt.Sprint(panicked)}, nil
		}
	}()
	timeutil.SetNowTimeFunc(func() time.Time { return time.Unix(0, q.Now).UTC() })
	defer timeutil.SetNowTimeFunc(time.Now)
	var objects []runtime.Object
	for _, existing := range q.Jobs {
		objects = append(objects, existing.DeepCopy())
	}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	client := fake.NewClientset(objects...)
	provider := job.NewJobProvider(*log.NewEntry(quiet), client, batchlisters.NewJobLister(indexed(q.Jobs)),
		corelisters.NewPodLister(indexed([]*corev1.Pod{})), "", false)
	made := answer{}
	var measured v1alpha1.Measurement
	switch q.Do {
	case "run":
		measured = provider.Run(q.Run, q.Metric)
	case "resume":
		measured = provider.Resume(q.Run, q.Metric, q.Measurement)
	case "terminate":
		measured = provider.Terminate(q.Run, q.Metric, q.Measurement)
	case "collect":
		if err := provider.GarbageCollect(q.Run, q.Metric, q.Limit); err != nil {
			made["message"] = err.Error()
		}
	default:
		return nil, fmt.Errorf("there is nothing called %q to do", q.Do)
	}
	made["phase"], made["message"], made["job"] = measured.Phase, measured.Message, measured.Metadata[job.JobNameKey]
	made["finished"] = measured.FinishedAt != nil
	if measured.ResumeAt != nil {
		made["resume"] = measured.ResumeAt.UnixNano() - q.Now
	}
	left, err := client.BatchV1().Jobs(metav1.NamespaceAll).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(left.Items, func(one, other batchv1.Job) int { return cmp.Compare(one.Name, other.Name) })
	made["jobs"] = left.Items
	return made, nil
}
