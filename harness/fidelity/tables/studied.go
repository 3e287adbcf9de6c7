package main

// studied is a function of Argo Rollouts whose calls are written down.
type studied struct {
	// file stands below the module; name is that of the function, or of the method.
	file, name string
	// receiver tells that the object of a method is one of its inputs.
	receiver bool
	// before is done before the call, and after are further outputs.
	before, after string
}

// functions are those that the simulator and the manifests have rules for.
var functions = []studied{
	{file: "utils/replicaset/canary.go", name: "CalculateReplicaCountsForBasicCanary"},
	{file: "utils/replicaset/canary.go", name: "CalculateReplicaCountsForTrafficRoutedCanary"},
	{file: "utils/replicaset/canary.go", name: "AtDesiredReplicaCountsForCanary"},
	{file: "utils/replicaset/canary.go", name: "GetCanaryReplicasOrWeight"},
	{file: "utils/replicaset/canary.go", name: "GetDesiredCanaryWeight"},
	{file: "utils/replicaset/canary.go", name: "GetCurrentCanaryStep"},
	{file: "utils/replicaset/canary.go", name: "ReplicaProgressThresholdMet"},
	{file: "utils/replicaset/replicaset.go", name: "MaxSurge"},
	{file: "utils/replicaset/replicaset.go", name: "MaxUnavailable"},
	{file: "utils/rollout/rolloututil.go", name: "CalculateRolloutPhase"},
	{file: "utils/rollout/rolloututil.go", name: "CanaryStepString"},
	{file: "utils/conditions/conditions.go", name: "RolloutProgressing"},
	{file: "utils/conditions/conditions.go", name: "RolloutHealthy"},
	{file: "utils/conditions/conditions.go", name: "RolloutCompleted"},
	{file: "utils/conditions/conditions.go", name: "RolloutTimedOut"},
	{file: "utils/defaults/defaults.go", name: "GetScaleDownDelaySecondsOrDefault"},
	{file: "utils/defaults/defaults.go", name: "GetAbortScaleDownDelaySecondsOrDefault"},
	{file: "rollout/sync.go", name: "isIndefiniteStep"},
	{file: "analysis/analysis.go", name: "generateMetricTasks", before: namesOfTasks, after: "names(output0)"},
	{file: "analysis/analysis.go", name: "calculateNextReconcileTime"},
	{file: "analysis/analysis.go", name: "garbageCollectMeasurements", after: "run.Status"},
	{file: "analysis/analysis.go", name: "assessMetricStatus"},
	{file: "analysis/analysis.go", name: "assessRunStatus", after: "run.Status"},
	{file: "utils/evaluate/evaluate.go", name: "EvalCondition"},
	{file: "utils/evaluate/evaluate.go", name: "EvaluateResult"},
	{file: "metricproviders/prometheus/prometheus.go", name: "processResponse"},
	{file: "metricproviders/webmetric/webmetric.go", name: "Run", before: "reply := calls.Watch(p.client)",
		after: "reply"},
	{file: "utils/analysis/helpers.go", name: "NewAnalysisRunFromTemplates"},
	{file: "utils/analysis/helpers.go", name: "IsWorse"},
	{file: "utils/analysis/helpers.go", name: "GetDryRunMetrics"},
	{file: "utils/analysis/helpers.go", name: "GetMeasurementRetentionMetrics"},
	{file: "utils/analysis/factory.go", name: "ValidateMetrics"},
	{file: "utils/analysis/factory.go", name: "ValidateMetric"},
	{file: "pkg/apis/rollouts/v1alpha1/analysis_types.go", name: "EffectiveCount", receiver: true},
	{file: "pkg/apis/rollouts/validation/validation.go", name: "ValidateRolloutSpec"},
	{file: "pkg/apis/rollouts/validation/validation.go", name: "ValidateRolloutStrategy"},
	{file: "pkg/apis/rollouts/validation/validation.go", name: "ValidateRolloutStrategyBlueGreen"},
	{file: "pkg/apis/rollouts/validation/validation.go", name: "ValidateRolloutStrategyCanary"},
	{file: "pkg/apis/rollouts/validation/validation.go", name: "ValidateRolloutStrategyAntiAffinity"},
	{file: "utils/analysis/factory.go", name: "BuildArgumentsForRolloutAnalysisRun"},
	{file: "utils/analysis/factory.go", name: "ResolveMetricArgs"},
}

// namesOfTasks makes up for a type that does not write itself.
const namesOfTasks = `names := func(tasks []metricTask) (names []string) {
		for _, task := range tasks {
			names = append(names, task.metric.Name)
		}
		return names
	}`

// packages are those whose tests are run: of the functions themselves, and of the controllers that call them.
var packages = []string{
	"utils/defaults", "utils/replicaset", "utils/rollout", "utils/conditions", "utils/evaluate", "utils/analysis", "analysis",
	"metricproviders/prometheus", "metricproviders/webmetric", "pkg/apis/rollouts/validation", "rollout", "experiments",
}
