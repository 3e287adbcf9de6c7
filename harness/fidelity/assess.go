package main

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/argoproj/argo-rollouts/analysis"
	"github.com/argoproj/argo-rollouts/controller/metrics"
	clientset "github.com/argoproj/argo-rollouts/pkg/client/clientset/versioned"
	rolloutqueue "github.com/argoproj/argo-rollouts/utils/queue"
	"github.com/argoproj/argo-rollouts/utils/tolerantinformer"
)

// assessment is what the analysis controller makes of an AnalysisRun whose measurements are taken.
type assessment struct {
	Phase   string            `json:"phase"`
	Message string            `json:"message"`
	Metrics map[string]string `json:"metrics"`
}

// answerAssessments gives the controller a batch of AnalysisRuns, and waits until it comes to rest. No
// measurement falls due meanwhile: the last ones were taken when the batch begins.
func answerAssessments(t *testing.T, line []byte) (answered any, problem error) {
	var runs []json.RawMessage
	if err := json.Unmarshal(line, &runs); err != nil {
		return nil, err
	}
	synctest.Test(t, func(*testing.T) { answered, problem = assess(runs) })
	return answered, problem
}

func assess(runs []json.RawMessage) ([]assessment, error) {
	c := &cluster{question: &timelineQuestion{}, started: time.Now(), api: newAPIServer(), turns: newTurns()}
	c.journal = &journal{cluster: c}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := &rest.Config{Host: "http://cluster", Transport: unhurried{c.api}, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	argo, err := clientset.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	kubeInformers := kubeinformers.NewSharedInformerFactory(kube, resync)
	dynamicInformers := dynamicinformer.NewDynamicSharedInformerFactory(dynamicClient, resync)
	informer := tolerantinformer.NewTolerantAnalysisRunInformer(dynamicInformers)
	metricsServer := metrics.NewMetricsServer(metrics.ServerConfig{AnalysisRunLister: informer.Lister(),
		AnalysisTemplateLister:        tolerantinformer.NewTolerantAnalysisTemplateInformer(dynamicInformers).Lister(),
		ClusterAnalysisTemplateLister: tolerantinformer.NewTolerantClusterAnalysisTemplateInformer(dynamicInformers).Lister(),
		K8SRequestProvider:            &metrics.K8sRequestsCountProvider{}})
	controller := analysis.NewController(analysis.ControllerConfig{
		KubeClientSet: kube, ArgoProjClientset: argo, AnalysisRunInformer: informer,
		JobInformer: kubeInformers.Batch().V1().Jobs(), JobPodsInformer: kubeInformers.Core().V1().Pods(),
		ResyncPeriod: resync, MetricsServer: metricsServer, Recorder: &events{journal: c.journal},
		AnalysisRunWorkQueue: c.turns.queue(orderAnalysis, rolloutqueue.DefaultArgoRolloutsRateLimiter()),
	})
	kubeInformers.Start(ctx.Done())
	dynamicInformers.Start(ctx.Done())
	dynamicInformers.WaitForCacheSync(ctx.Done())
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		_ = controller.Run(ctx, 1)
	}()
	path := "/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns"
	for _, run := range runs {
		if err := c.send("POST", path, "", run); err != nil {
			return nil, err
		}
	}
	err = c.turns.run(time.Now().Add(time.Second))
	var found []assessment
	for _, run := range runs {
		var named object
		_ = json.Unmarshal(run, &named)
		stored := c.api.get("argoproj.io/analysisruns", namespace+"/"+text(named, "metadata", "name"))
		made := assessment{Phase: text(stored, "status", "phase"), Message: text(stored, "status", "message"), Metrics: map[string]string{}}
		for _, result := range results(stored) {
			made.Metrics[text(result, "name")] = text(result, "phase")
		}
		found = append(found, made)
	}
	cancel()
	for _, q := range c.turns.queues {
		q.ShutDown()
	}
	kubeInformers.Shutdown()
	dynamicInformers.Shutdown()
	running.Wait()
	time.Sleep(2 * time.Second)
	return found, err
}
