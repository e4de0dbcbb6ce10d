// Package prometheus holds the alerting rules that are shipped, and makes them join other labels of owners than team.
package prometheus

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed rotatord.rules.yml
var shipped string

// The two places of the file in which the owner's labels stand: where they are recorded, and where a rule joins them.
const (
	recorded = "policy, %s) (rotatord_owner_info)"
	joined   = "group_left (%s)"
)

// runbooksAt is where the shipped rules have the runbooks, and what follows a runbook's name there.
const (
	runbooksAt  = "https://github.com/rotatord/rotatord/blob/main/docs/runbooks/"
	runbooksEnd = ".md"
)

var validLabel = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)

// taken are labels that alerts have already: a join would write over them.
var taken = []string{"alertname", "alertstate", "hook", "incident", "instance", "job", "kind", "name", "outcome", "policy", "provider", "reason", "severity", "sink", "stage", "standing", "state"}

// Rules returns the rules as a file. labels are those of policies and providers that alerts carry; none is team alone, as shipped.
// runbooks, if set, is the address below which the runbooks are read, in place of the repository: of a daemon, https://HOST/runbooks.
func Rules(labels []string, runbooks string) (string, error) {
	text := shipped
	if len(labels) > 0 {
		if err := check(labels); err != nil {
			return "", err
		}
		list := strings.Join(labels, ", ")
		for _, form := range []string{recorded, joined} {
			text = strings.ReplaceAll(text, fmt.Sprintf(form, "team"), fmt.Sprintf(form, list))
		}
	}
	if runbooks != "" {
		if strings.ContainsAny(runbooks, "\"\\\n$") {
			return "", fmt.Errorf("the address %q of the runbooks holds a character that no address has", runbooks)
		}
		own := regexp.MustCompile(regexp.QuoteMeta(runbooksAt) + `(\w+)` + regexp.QuoteMeta(runbooksEnd))
		text = own.ReplaceAllString(text, strings.TrimSuffix(runbooks, "/")+"/$1")
	}
	return text, nil
}

func check(labels []string) error {
	var all []error
	for i, l := range labels {
		switch {
		case slices.Contains(taken, l) || strings.HasPrefix(l, "__"):
			all = append(all, fmt.Errorf("alerts have a label %q already: give the owner's label another name in the configuration", l))
		case !validLabel.MatchString(l):
			all = append(all, fmt.Errorf("%q is no name that a label can have: use a-z, A-Z, 0-9 and underscore, and do not begin with a digit", l))
		case slices.Contains(labels[:i], l):
			all = append(all, fmt.Errorf("the label %q is named twice", l))
		}
	}
	return errors.Join(all...)
}
