package main

import (
	"reflect"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting"
)

// router is a traffic router that does at once what it is asked: requests to the stable Service are split
// between Services by weight.
type router struct {
	cluster *cluster
	// asked is the split; nil until the first one.
	asked []v1alpha1.WeightDestination
	// most is the weight that stands for all requests.
	most int32
	// routes are those that steps made, in their order.
	routes []string
}

// installRouter puts the router in the place of those that the controller knows by name: a plugin would be a
// process of its own.
func installRouter(controller *rollout.Controller, installed *router) {
	field := reflect.ValueOf(controller).Elem().FieldByName("newTrafficRoutingReconciler")
	made := reflect.MakeFunc(field.Type(), func(args []reflect.Value) []reflect.Value {
		reconcilers := []trafficrouting.TrafficRoutingReconciler{}
		ro := reflect.NewAt(args[0].Elem().FieldByName("rollout").Type(), args[0].Elem().FieldByName("rollout").Addr().UnsafePointer()).
			Elem().Interface().(*v1alpha1.Rollout)
		if ro.Spec.Strategy.Canary.TrafficRouting != nil {
			reconcilers = append(reconcilers, installed.of(ro))
		}
		return []reflect.Value{reflect.ValueOf(reconcilers), reflect.Zero(field.Type().Out(1))}
	})
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(made)
}

// reconciler is the router as one Rollout asks it.
type reconciler struct {
	*router
	rollout *v1alpha1.Rollout
}

func (r *router) of(ro *v1alpha1.Rollout) *reconciler { return &reconciler{r, ro} }

func (r *reconciler) Type() string { return "fidelity" }

func (r *reconciler) UpdateHash(string, string, ...v1alpha1.WeightDestination) error { return nil }

func (r *reconciler) SetWeight(weight int32, additional ...v1alpha1.WeightDestination) error {
	canary := r.rollout.Spec.Strategy.Canary
	most := int32(100)
	if set := canary.TrafficRouting.MaxTrafficWeight; set != nil {
		most = *set
	}
	stable := most - weight
	stableService, canaryService := trafficrouting.GetStableAndCanaryServices(r.rollout, false)
	asked := []v1alpha1.WeightDestination{{Weight: weight, ServiceName: canaryService}}
	for _, destination := range additional {
		stable -= destination.Weight
		asked = append(asked, destination)
	}
	asked = append(asked, v1alpha1.WeightDestination{Weight: stable, ServiceName: stableService})
	if !reflect.DeepEqual(asked, r.asked) || most != r.most {
		r.cluster.settle()
		r.asked, r.most = asked, most
		r.cluster.route()
	}
	return nil
}

func (r *reconciler) VerifyWeight(int32, ...v1alpha1.WeightDestination) (*bool, error) {
	return nil, nil
}

func (r *reconciler) SetHeaderRoute(route *v1alpha1.SetHeaderRoute) error {
	r.make(route.Name, len(route.Match) > 0)
	return nil
}

func (r *reconciler) SetMirrorRoute(route *v1alpha1.SetMirrorRoute) error {
	r.make(route.Name, len(route.Match) > 0)
	return nil
}

func (r *reconciler) RemoveManagedRoutes() error {
	r.set(nil)
	return nil
}

func (r *router) set(routes []string) {
	if len(routes) == 0 && len(r.routes) == 0 || reflect.DeepEqual(routes, r.routes) {
		return
	}
	r.routes = routes
	r.cluster.journal.rolloutWritten(r.cluster.api.get("argoproj.io/rollouts", namespace+"/"+r.cluster.question.Rollout))
}

// make makes a route, or takes it away where it matches nothing.
func (r *router) make(name string, made bool) {
	kept := []string{}
	for _, known := range r.routes {
		if known != name {
			kept = append(kept, known)
		}
	}
	if made {
		kept = append(kept, name)
	}
	r.set(kept)
}
