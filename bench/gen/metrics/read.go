package metrics

import (
	"io"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	dto "github.com/prometheus/client_model/go"
)

// Families are a server's metrics at one moment.
type Families map[string]*dto.MetricFamily

// Read reads all of r.
func Read(r io.Reader) (Families, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(io.MultiReader(r, strings.NewReader("\n"))) // the last line may lack its end
}

// Sum adds up all series of a metric, and reports whether there is one.
func (m Families) Sum(name string) (sum float64, found bool) {
	for _, series := range m[name].GetMetric() {
		sum += series.GetGauge().GetValue() + series.GetCounter().GetValue() + series.GetUntyped().GetValue()
		found = true
	}
	return sum, found
}
