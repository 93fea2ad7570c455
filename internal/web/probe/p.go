package probe
import (
 _ "github.com/getkin/kin-openapi/openapi3"
 _ "github.com/swaggest/swgui/v5emb"
 _ "github.com/labstack/echo/v4"
 _ "github.com/lestrrat-go/jwx/v3/jwt"
 _ "github.com/lestrrat-go/jwx/v3/jwk"
 _ "github.com/maypok86/otter/v2"
 _ "golang.org/x/time/rate"
 _ "github.com/prometheus/client_golang/prometheus"
 _ "go.opentelemetry.io/otel/trace"
 _ "go.opentelemetry.io/otel/sdk/trace"
 _ "go.opentelemetry.io/otel/propagation"
 _ "github.com/stretchr/testify/require"
 _ "pgregory.net/rapid"
)
