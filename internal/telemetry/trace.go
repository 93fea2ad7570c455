package telemetry

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracing is the process's way to make spans and to pass trace context on.
type Tracing struct {
	Provider   trace.TracerProvider
	Propagator propagation.TextMapPropagator // W3C trace context and baggage
	Enabled    bool                          // spans leave the process

	shutdown func(context.Context) error
}

// exportSettings are the variables of the OpenTelemetry specification that ask
// for spans to be exported. Without one, tracing is off and dials nowhere.
var exportSettings = [...]string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}

// NewTracing makes tracing as the OTEL_ variables of the process say
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/):
// exporter, endpoint, headers, sampler (parentbased_always_on unless set),
// resource attributes and service name (service unless set).
func NewTracing(ctx context.Context, service string, b Build) (*Tracing, error) {
	off := &Tracing{
		Provider:   noop.NewTracerProvider(),
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		shutdown:   func(context.Context) error { return nil },
	}
	if !exportWanted(os.Getenv) {
		return off, nil
	}
	exporter, err := newExporter(ctx, os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("make the trace exporter from the OTEL_ variables: %w", err)
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", b.Version)),
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithFromEnv(), // last, so that OTEL_SERVICE_NAME wins
	)
	if err != nil {
		return nil, fmt.Errorf("describe the process for traces from OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// The sampler is left to the SDK, which reads OTEL_TRACES_SAMPLER and is
	// parent-based without it.
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	return &Tracing{Provider: provider, Propagator: off.Propagator, Enabled: true, shutdown: provider.Shutdown}, nil
}

// newExporter makes the exporter that the variables ask for.
func newExporter(ctx context.Context, getenv func(string) string) (sdktrace.SpanExporter, error) {
	switch kind := getenv("OTEL_TRACES_EXPORTER"); kind {
	case "console":
		return stdouttrace.New()
	case "", "otlp":
	default:
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; known: otlp, console, none", kind)
	}
	c, err := newCollector(getenv)
	if err != nil {
		return nil, err
	}
	return otlptrace.New(ctx, c)
}

func exportWanted(getenv func(string) string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return slices.ContainsFunc(exportSettings[:], func(name string) bool { return getenv(name) != "" })
}

// Shutdown sends what is left and ends tracing.
func (t *Tracing) Shutdown(ctx context.Context) error { return t.shutdown(ctx) }
