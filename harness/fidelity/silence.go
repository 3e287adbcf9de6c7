package main

import (
	"context"
	"flag"
	"io"

	log "github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

// silence keeps the controllers' logs off the answers. Of the error handlers only the last, which
// collects, stays: the others limit themselves by sleeping.
func silence() {
	log.SetOutput(io.Discard)
	log.SetLevel(log.PanicLevel)
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard)
	runtime.ErrorHandlers = []runtime.ErrorHandler{
		func(context.Context, error, string, ...any) {},
	}
}
