package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"unsafe"

	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	listers "github.com/argoproj/argo-rollouts/pkg/client/listers/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout"
)

// mostLookups is how many templates are looked up before the search counts as one without end: upstream follows
// templates that name one another in a circle until its stack is full.
const mostLookups = 2000

// referencesQuestion is a Rollout with what it may refer to, and the analysis of which a run is made.
type referencesQuestion struct {
	Rollout          *v1alpha1.Rollout                   `json:"rollout"`
	Templates        []*v1alpha1.AnalysisTemplate        `json:"templates"`
	ClusterTemplates []*v1alpha1.ClusterAnalysisTemplate `json:"clusterTemplates"`
	Services         []*corev1.Service                   `json:"services"`
	Analysis         *v1alpha1.RolloutAnalysis           `json:"analysis"`
	Args             []v1alpha1.Argument                 `json:"args"`
}

//go:linkname validationErrors github.com/argoproj/argo-rollouts/rollout.(*rolloutContext).getRolloutValidationErrors
func validationErrors(context unsafe.Pointer) error

//go:linkname newRun github.com/argoproj/argo-rollouts/rollout.(*rolloutContext).newAnalysisRunFromRollout
func newRun(context unsafe.Pointer, analysis *v1alpha1.RolloutAnalysis, args []v1alpha1.Argument, hash, infix string,
	labels map[string]string) (*v1alpha1.AnalysisRun, error)

// answerReferences validates a Rollout with what it refers to, and makes a run of its analysis.
func answerReferences(line []byte) (answered any, err error) {
	var q referencesQuestion
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	defer func() {
		switch panicked := recover().(type) {
		case nil:
		case endless:
			answered, err = answer{"endless": true}, nil
		default:
			answered, err = answer{"panic": fmt.Sprint(panicked)}, nil
		}
	}()
	context := q.context()
	if err := validationErrors(context); err != nil {
		return answer{"invalid": err.Error()}, nil
	}
	if q.Analysis == nil {
		return answer{"valid": true}, nil
	}
	run, err := newRun(context, q.Analysis, q.Args, "hash", "", map[string]string{})
	if err != nil {
		return answer{"refused": err.Error()}, nil
	}
	return answer{"spec": run.Spec}, nil
}

// context is what the rollout controller makes for a pass, with listers alone.
func (q *referencesQuestion) context() unsafe.Pointer {
	maker, _ := reflect.TypeFor[rollout.Controller]().FieldByName("newTrafficRoutingReconciler")
	context := reflect.New(maker.Type.In(0).Elem())
	set := func(name string, value any) {
		field := context.Elem().FieldByName(name)
		reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(value))
	}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	lookups := &counted{}
	set("rollout", q.Rollout)
	set("log", log.NewEntry(quiet))
	set("servicesLister", corelisters.NewServiceLister(indexed(q.Services)))
	set("analysisTemplateLister", templateLister{listers.NewAnalysisTemplateLister(indexed(q.Templates)), lookups})
	set("clusterAnalysisTemplateLister",
		clusterTemplateLister{listers.NewClusterAnalysisTemplateLister(indexed(q.ClusterTemplates)), lookups})
	return context.UnsafePointer()
}

func indexed[T metav1.Object](objects []T) cache.Indexer {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, object := range objects {
		_ = indexer.Add(object)
	}
	return indexer
}

// endless is thrown out of a search without end.
type endless struct{}

type counted struct{ lookups int }

func (c *counted) count() {
	if c.lookups++; c.lookups > mostLookups {
		panic(endless{})
	}
}

// templateLister gives copies, as the controller's own lister does: validation writes into templates.
type templateLister struct {
	listers.AnalysisTemplateLister
	*counted
}

func (l templateLister) AnalysisTemplates(namespace string) listers.AnalysisTemplateNamespaceLister {
	return namespacedTemplates{l.AnalysisTemplateLister.AnalysisTemplates(namespace), l.counted}
}

type namespacedTemplates struct {
	listers.AnalysisTemplateNamespaceLister
	*counted
}

func (l namespacedTemplates) Get(name string) (*v1alpha1.AnalysisTemplate, error) {
	l.count()
	found, err := l.AnalysisTemplateNamespaceLister.Get(name)
	return found.DeepCopy(), err
}

type clusterTemplateLister struct {
	listers.ClusterAnalysisTemplateLister
	*counted
}

func (l clusterTemplateLister) Get(name string) (*v1alpha1.ClusterAnalysisTemplate, error) {
	l.count()
	found, err := l.ClusterAnalysisTemplateLister.Get(name)
	return found.DeepCopy(), err
}
