package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func newSummary(q *reportQuery, now time.Time, version string) *ReportSummary {
	classes, findings := noCounts()
	return &ReportSummary{GeneratedAt: now, Version: version, UnusedFor: q.UnusedFor, Classes: classes, Findings: findings, By: q.By}
}

// noCounts has every class and every finding, at zero.
func noCounts() (classes, findings map[string]int) {
	classes, findings = map[string]int{}, map[string]int{}
	for _, c := range rotator.Classes() {
		classes[string(c)] = 0
	}
	for _, k := range rotator.Findings() {
		findings[string(k)] = 0
	}
	return classes, findings
}

func (sum *ReportSummary) add(k *ReportedKey) {
	sum.Keys++
	count(k, sum.Classes, sum.Findings)
	if sum.By == "" {
		return
	}
	g := sum.group(k.Labels[sum.By])
	g.Keys++
	if len(k.Findings) > 0 {
		g.Against++
	}
	count(k, g.Classes, g.Findings)
}

func count(k *ReportedKey, classes, findings map[string]int) {
	classes[k.Class]++
	for _, f := range k.Findings {
		findings[f.Kind]++
	}
}

// group is that of the value. There are as many as the configuration has values of the label, which are few.
func (sum *ReportSummary) group(value string) *ReportGroup {
	i := slices.IndexFunc(sum.Groups, func(g ReportGroup) bool { return g.Value == value })
	if i < 0 {
		classes, findings := noCounts()
		i, sum.Groups = len(sum.Groups), append(sum.Groups, ReportGroup{Value: value, Classes: classes, Findings: findings})
	}
	return &sum.Groups[i]
}

func (sum *ReportSummary) sortGroups() {
	slices.SortFunc(sum.Groups, func(a, b ReportGroup) int {
		if (a.Value == "") != (b.Value == "") {
			return cmp.Compare(b.Value, a.Value) // the one without comes last
		}
		return cmp.Compare(a.Value, b.Value)
	})
}
