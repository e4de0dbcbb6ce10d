package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

var ownerInfo = gauge("owner_info",
	"Always 1: the labels that the configuration gives to the policy and the provider, each under its own name; the policy's win. An empty policy stands for the provider alone.",
	"for every configured provider, alone and with every policy that may select its keys", "provider", "policy")

// Owner is whose the keys of one policy at one provider are, or, without a policy, whose the provider is.
type Owner struct {
	Provider, Policy string
	// Labels are those of the configuration. None is called provider or policy.
	Labels map[string]string
}

// ownership is whose everything is that is exported.
type ownership struct {
	labels map[[2]string]map[string]string
	names  []string
}

func newOwnership(owners func() []Owner) *ownership {
	o := &ownership{labels: map[[2]string]map[string]string{}}
	if owners == nil {
		return o
	}
	names := map[string]bool{}
	for _, w := range owners() {
		o.labels[[2]string{w.Provider, w.Policy}] = w.Labels
		for name := range w.Labels {
			names[name] = true
		}
	}
	o.names = slices.Sorted(maps.Keys(names))
	return o
}

// need makes sure of a pair that something is exported for. The policy of a rotation may have left the configuration: then what
// is known of its provider has to do, so that no alert is lost for want of a label.
func (o *ownership) need(provider, policy string) {
	pair := [2]string{provider, policy}
	if _, known := o.labels[pair]; !known {
		o.labels[pair] = o.labels[[2]string{provider, ""}]
	}
}

func (o *ownership) pairs() [][2]string {
	return slices.SortedFunc(maps.Keys(o.labels), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
}

// collect exports the same names for each pair, because a family of metrics has the same labels throughout; one without a value
// is empty, which is the same as absent.
func (o *ownership) collect(ch chan<- prometheus.Metric, configured map[string]bool) {
	d := Definition{desc: prometheus.NewDesc(ownerInfo.Name, ownerInfo.Help, append([]string{"provider", "policy"}, o.names...), nil)}
	for _, pair := range o.pairs() {
		if !configured[pair[0]] {
			continue
		}
		values := []string{pair[0], pair[1]}
		for _, name := range o.names {
			values = append(values, o.labels[pair][name])
		}
		send(ch, d, 1, values...)
	}
}
