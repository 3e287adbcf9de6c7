package main

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	k8srecord "k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/controller/replicaset"

	"github.com/argoproj/argo-rollouts/analysis"
	"github.com/argoproj/argo-rollouts/controller/metrics"
	"github.com/argoproj/argo-rollouts/experiments"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	clientset "github.com/argoproj/argo-rollouts/pkg/client/clientset/versioned"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/abort"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/promote"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/restart"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/retry"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/undo"
	"github.com/argoproj/argo-rollouts/rollout"
	"github.com/argoproj/argo-rollouts/service"
	istioutil "github.com/argoproj/argo-rollouts/utils/istio"
	rolloutqueue "github.com/argoproj/argo-rollouts/utils/queue"
	"github.com/argoproj/argo-rollouts/utils/record"
	"github.com/argoproj/argo-rollouts/utils/tolerantinformer"
)

const namespace = "default"

// resync is upstream's period (controller.DefaultRolloutResyncPeriod): timers beyond it are not set.
const resync = 15 * time.Minute

// cluster is a cluster in memory with the real controllers in it.
type cluster struct {
	question *timelineQuestion
	started  time.Time
	api      *apiServer
	turns    *turns
	scraper  *scraper
	router   *router
	argo     clientset.Interface
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	journal  *journal

	pods      map[string]*pod
	order     []*pod
	podsMade  int
	podsOf    map[int]int
	templates map[string]int
	// ofSet are the numbers of templates by ReplicaSet.
	ofSet map[string]int
}

func newCluster(question *timelineQuestion) *cluster {
	c := &cluster{question: question, started: time.Now(), api: newAPIServer(), turns: newTurns(),
		pods: map[string]*pod{}, podsOf: map[int]int{}, templates: map[string]int{}, ofSet: map[string]int{}}
	c.journal = &journal{cluster: c}
	c.router = &router{cluster: c}
	c.scraper = &scraper{cluster: c, store: &samples{series: map[string]*series{}}}
	c.api.listedBy = c.listedBy
	c.api.collect = func(uid string) {
		// The garbage collector comes later: the controllers know by then that the owner is gone.
		c.turns.at(time.Now(), orderKubelet, func() { c.api.removeOwned(uid) })
	}
	c.api.admit = func(resource string, created object) {
		switch resource {
		case "/pods":
			c.admitPod(created)
		case "apps/replicasets":
			admitReplicaSet(created)
		}
	}
	c.api.written = func(resource string, before, after object) {
		switch resource {
		case "/pods":
			c.podWritten(before, after)
			c.journal.podWritten(before, after)
		case "apps/replicasets":
			c.replicaSetWritten(before, after)
		case "/services":
			c.serviceWritten()
		case "argoproj.io/rollouts":
			c.journal.rolloutWritten(after)
		case "argoproj.io/analysisruns":
			c.journal.runWritten(before, after)
		}
	}
	present = handler(c.scraper.store)
	return c
}

// replicaSetWritten counts templates in the order in which their ReplicaSets were made.
func (c *cluster) replicaSetWritten(before, after object) {
	if after == nil {
		return
	}
	template := templateOf(after)
	if _, known := c.templates[template]; !known {
		c.templates[template] = len(c.templates)
	}
	c.ofSet[text(after, "metadata", "name")] = c.templates[template]
	c.journal.scaled(c.templates[template], before, after)
}

// templateOf is what tells a ReplicaSet's template from others: its hash or, in an experiment, its name.
func templateOf(set object) string {
	if text(set, "metadata", "annotations", v1alpha1.ExperimentNameAnnotationKey) != "" {
		return text(set, "metadata", "name")
	}
	return text(set, "metadata", "labels", v1alpha1.DefaultRolloutUniqueLabelKey)
}

// admitReplicaSet fills in the defaults of the pod template that a real API server fills in. So a template of an
// experiment, which is copied from a ReplicaSet, never has the hash of the Rollout's own template, and one that an
// undo writes back is found again by its content.
func admitReplicaSet(created object) {
	spec, _ := created["spec"].(object)
	written, _ := spec["template"].(object)
	var template corev1.PodTemplate
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(written, &template.Template); err != nil {
		return // the ReplicaSet controller will say what it is
	}
	corev1defaults.SetObjectDefaults_PodTemplate(&template)
	if complete, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&template.Template); err == nil {
		spec["template"] = complete
	}
}

// serviceWritten sends requests where Services lead to now.
func (c *cluster) serviceWritten() {
	c.journal.servicesWritten(c.api.kinds["/services"].objects)
	c.turns.at(time.Now(), orderKubelet, c.route)
}

// chosen is what the simulator chose for a pod; for one that it has not, the pod's own name.
func (c *cluster) chosen(p *pod) choice {
	known := c.question.Pods
	if p.template < len(known) && p.ordinal < len(known[p.template]) {
		return known[p.template][p.ordinal]
	}
	return choice{Name: strings.TrimPrefix(p.key, namespace+"/")}
}

// listedBy is by what the API server orders a list: by the key and, so that both sides have the same order, pods by
// the names that they have in the simulator.
func (c *cluster) listedBy(resource, key string) string {
	if p := c.pods[key]; resource == "/pods" && p != nil {
		return c.chosen(p).Name
	}
	return key
}

// run starts the controllers, plays the question's actions and stops everything again.
func (c *cluster) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	time.Sleep(time.Duration(c.question.ResyncPhase) * time.Millisecond) // a period divides the hour at which the run begins
	stop, err := c.startControllers(ctx, &running)
	if err != nil {
		cancel()
		return err
	}
	if err := c.givePlugins(); err != nil {
		cancel()
		return err
	}
	// The run begins at a whole hour, as the simulator's does: the API keeps whole seconds, and the steps of
	// subqueries are multiples of themselves.
	c.started = time.Now().Truncate(time.Hour).Add(time.Hour)
	time.Sleep(time.Until(c.started))
	for index := range c.question.Actions {
		action := &c.question.Actions[index]
		c.turns.at(c.started.Add(seconds(action.At)), orderAction, func() { c.journal.note(c.act(action)) })
	}
	c.scraper.endpointsChanged() // the Service by which pods are found is as new as the rest
	for _, manifest := range c.question.Objects {
		if err := c.apply(manifest); err != nil {
			c.journal.note(err)
		}
	}
	problem := c.turns.run(c.started.Add(seconds(c.question.Duration)))
	cancel()
	for _, q := range c.turns.queues {
		q.ShutDown()
	}
	stop()
	running.Wait()
	// Work queues notice within half a second that they are shut down; what tells of an object that is gone is
	// forgotten after 65 s (MetricsServer.Remove).
	time.Sleep(70 * time.Second)
	return problem
}

func (c *cluster) startControllers(ctx context.Context, running *sync.WaitGroup) (func(), error) {
	config := &rest.Config{Host: "http://cluster", Transport: unhurried{c.api}, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if c.argo, err = clientset.NewForConfig(config); err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c.kube, c.dynamic = kube, dynamicClient
	kubeInformers := kubeinformers.NewSharedInformerFactory(kube, resync)
	setInformers := kubeinformers.NewSharedInformerFactoryWithOptions(kube, resync,
		kubeinformers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.LabelSelector = v1alpha1.DefaultRolloutUniqueLabelKey
		}))
	dynamicInformers := dynamicinformer.NewDynamicSharedInformerFactory(dynamicClient, resync)
	istio := dynamicinformer.NewDynamicSharedInformerFactory(dynamicClient, resync)

	rollouts := tolerantinformer.NewTolerantRolloutInformer(dynamicInformers)
	runs := tolerantinformer.NewTolerantAnalysisRunInformer(dynamicInformers)
	templates := tolerantinformer.NewTolerantAnalysisTemplateInformer(dynamicInformers)
	clusterTemplates := tolerantinformer.NewTolerantClusterAnalysisTemplateInformer(dynamicInformers)
	experimentInformer := tolerantinformer.NewTolerantExperimentInformer(dynamicInformers)
	metricsServer := metrics.NewMetricsServer(metrics.ServerConfig{
		RolloutLister: rollouts.Lister(), AnalysisRunLister: runs.Lister(), AnalysisTemplateLister: templates.Lister(),
		ClusterAnalysisTemplateLister: clusterTemplates.Lister(), ExperimentLister: experimentInformer.Lister(),
		K8SRequestProvider: &metrics.K8sRequestsCountProvider{},
	})
	rolloutQueue := c.turns.queue(orderRollout, rolloutqueue.DefaultArgoRolloutsRateLimiter())
	analysisQueue := c.turns.queue(orderAnalysis, rolloutqueue.DefaultArgoRolloutsRateLimiter())
	experimentQueue := c.turns.queue(orderExperiment, rolloutqueue.DefaultArgoRolloutsRateLimiter())
	serviceQueue := c.turns.queue(orderService, rolloutqueue.DefaultArgoRolloutsRateLimiter())
	serviceQueue.calm = calmLoop
	// Nothing works on this one: the router here has no Ingresses.
	unused := newTurns().queue(orderRollout, rolloutqueue.DefaultArgoRolloutsRateLimiter())
	recorder := &events{journal: c.journal}

	rolloutController := rollout.NewController(rollout.ControllerConfig{
		Namespace: metav1.NamespaceAll, KubeClientSet: kube, ArgoProjClientset: c.argo, DynamicClientSet: dynamicClient,
		RefResolver: noWorkloads{}, ExperimentInformer: experimentInformer, AnalysisRunInformer: runs,
		AnalysisTemplateInformer: templates, ClusterAnalysisTemplateInformer: clusterTemplates,
		ReplicaSetInformer: setInformers.Apps().V1().ReplicaSets(), ServicesInformer: kubeInformers.Core().V1().Services(),
		RolloutsInformer: rollouts, IstioPrimaryDynamicClient: dynamicClient,
		IstioVirtualServiceInformer:  istio.ForResource(istioutil.GetIstioVirtualServiceGVR()).Informer(),
		IstioDestinationRuleInformer: istio.ForResource(istioutil.GetIstioDestinationRuleGVR()).Informer(),
		ResyncPeriod:                 resync, RolloutWorkQueue: rolloutQueue, ServiceWorkQueue: serviceQueue, IngressWorkQueue: unused,
		MetricsServer: metricsServer, Recorder: recorder, EphemeralMetadataThreads: 1, EphemeralMetadataPodRetries: 3,
	})
	installRouter(rolloutController, c.router)
	serviceController := service.NewController(service.ControllerConfig{
		Kubeclientset: kube, Argoprojclientset: c.argo, RolloutsInformer: rollouts,
		ServicesInformer: kubeInformers.Core().V1().Services(), RolloutWorkqueue: rolloutQueue,
		ServiceWorkqueue: serviceQueue, ResyncPeriod: resync, MetricsServer: metricsServer,
	})
	experimentController := experiments.NewController(experiments.ControllerConfig{
		KubeClientSet: kube, ArgoProjClientset: c.argo, ReplicaSetInformer: setInformers.Apps().V1().ReplicaSets(),
		ServiceInformer: kubeInformers.Core().V1().Services(), ExperimentsInformer: experimentInformer,
		AnalysisRunInformer: runs, AnalysisTemplateInformer: templates, ClusterAnalysisTemplateInformer: clusterTemplates,
		ResyncPeriod: resync, RolloutWorkQueue: rolloutQueue, ExperimentWorkQueue: experimentQueue,
		MetricsServer: metricsServer, Recorder: recorder,
	})
	analysisController := analysis.NewController(analysis.ControllerConfig{
		KubeClientSet: kube, ArgoProjClientset: c.argo, AnalysisRunInformer: runs,
		JobInformer: kubeInformers.Batch().V1().Jobs(), JobPodsInformer: kubeInformers.Core().V1().Pods(),
		ResyncPeriod: resync, AnalysisRunWorkQueue: analysisQueue, MetricsServer: metricsServer, Recorder: recorder,
	})
	sets, err := c.replicaSetController(ctx, config, kubeInformers)
	if err != nil {
		return nil, err
	}

	kubeInformers.Start(ctx.Done())
	setInformers.Start(ctx.Done())
	dynamicInformers.Start(ctx.Done())
	kubeInformers.WaitForCacheSync(ctx.Done())
	setInformers.WaitForCacheSync(ctx.Done())
	dynamicInformers.WaitForCacheSync(ctx.Done())
	cache.WaitForCacheSync(ctx.Done(), rollouts.Informer().HasSynced)

	for _, controller := range []func(){
		func() { _ = rolloutController.Run(ctx, 1) },
		func() { _ = analysisController.Run(ctx, 1) },
		func() { _ = serviceController.Run(ctx, 1) },
		func() { _ = experimentController.Run(ctx, 1) },
		func() { sets.Run(ctx, 1) },
	} {
		running.Add(1)
		go func() {
			defer running.Done()
			controller()
		}()
	}
	return func() {
		stopIstio(rolloutController)
		kubeInformers.Shutdown()
		setInformers.Shutdown()
		dynamicInformers.Shutdown()
	}, nil
}

// replicaSetController is Kubernetes' own, which works when the question says.
func (c *cluster) replicaSetController(
	ctx context.Context, config *rest.Config, informers kubeinformers.SharedInformerFactory,
) (*replicaset.ReplicaSetController, error) {
	order, config := orderReplicaSet, rest.CopyConfig(config)
	switch c.question.ReplicaSets {
	case "late":
		order = orderLate
	case "overlapping":
		c.turns.overlap = &overlap{}
		config.Transport = overlapping{c.api, c.turns}
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	sets := replicaset.NewReplicaSetController(ctx, informers.Apps().V1().ReplicaSets(), informers.Core().V1().Pods(), kube,
		replicaset.BurstReplicas)
	own := c.turns.adopt(sets, order)
	if c.turns.overlap != nil {
		c.turns.overlap.of = own
	}
	return sets, nil
}

// stopIstio ends the loop of the Istio controller's queue, which upstream only drains: everything that a
// bubble has started must end in it.
func stopIstio(controller *rollout.Controller) {
	field := reflect.ValueOf(controller.IstioController).Elem().FieldByName("destinationRuleWorkqueue")
	queue := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Interface()
	queue.(workqueue.RateLimitingInterface).ShutDown()
}

// apply creates an object as it is written.
func (c *cluster) apply(manifest json.RawMessage) error {
	var read object
	if err := json.Unmarshal(manifest, &read); err != nil {
		return err
	}
	path := map[string]string{
		"Service":          "/api/v1/namespaces/default/services",
		"Rollout":          "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts",
		"AnalysisTemplate": "/apis/argoproj.io/v1alpha1/namespaces/default/analysistemplates",
	}[text(read, "kind")]
	return c.send(http.MethodPost, path, "", manifest)
}

// act does what a person does.
func (c *cluster) act(action *timelineAction) error {
	rolloutIf := c.argo.ArgoprojV1alpha1().Rollouts(namespace)
	name := c.question.Rollout
	var err error
	switch action.Do {
	case "patch":
		_, err = rolloutIf.Patch(context.Background(), name, types.MergePatchType, action.Patch, metav1.PatchOptions{})
	case "pause":
		_, err = rolloutIf.Patch(context.Background(), name, types.MergePatchType, []byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{})
	case "abort":
		_, err = abort.AbortRollout(rolloutIf, name)
	case "retry":
		_, err = retry.RetryRollout(rolloutIf, name)
	case "promote":
		_, err = promote.PromoteRollout(rolloutIf, name, false, false, false)
	case "promote_full":
		_, err = promote.PromoteRollout(rolloutIf, name, false, false, true)
	case "undo":
		_, err = undo.RunUndoRollout(c.dynamic.Resource(v1alpha1.RolloutGVR).Namespace(namespace), c.kube, name, action.Revision)
	case "restart":
		_, err = restart.RestartRollout(rolloutIf, name, nil)
	case "traffic":
		c.settle()
		c.question.Rate = action.Rate
		c.route()
	}
	return err
}

// noWorkloads resolves no workloadRef: the Rollouts here have none.
type noWorkloads struct{}

func (noWorkloads) Resolve(*v1alpha1.Rollout) error { return nil }

// events notes the Events that the controllers record.
type events struct{ journal *journal }

func (e *events) Eventf(about runtime.Object, opts record.EventOptions, format string, args ...any) {
	e.journal.event(about, opts.EventReason)
}

func (e *events) Warnf(about runtime.Object, opts record.EventOptions, format string, args ...any) {
	e.journal.event(about, opts.EventReason)
}

func (e *events) K8sRecorder() k8srecord.EventRecorder { return &k8srecord.FakeRecorder{} }
