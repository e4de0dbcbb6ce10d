package emulator

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"
)

// Scenario is a file of faults: what the emulator is to do wrong, and the seed of its chances.
//
//	seed: 42
//	faults:
//	  - name: the third create is lost after it happened
//	    match: {method: POST, path: /key/user/*}
//	    nth: 3
//	    count: 1
//	    effect: {kind: lost, after_effect: true}
type Scenario struct {
	// Seed starts the draws of all probabilities. 0 leaves them as they are.
	Seed uint64 `yaml:"seed" json:"seed"`
	// Faults are tried in order.
	Faults []Fault `yaml:"faults" json:"faults"`
}

// ParseScenario reads a scenario from YAML, of which JSON is a part. It is strict: an unknown field, a value of the wrong
// kind or a fault that makes no sense is an error that says where and what.
func ParseScenario(text []byte) (Scenario, error) {
	var s Scenario
	if err := yaml.Load(text, &s, yaml.WithKnownFields()); err != nil {
		return Scenario{}, fmt.Errorf("the scenario cannot be read: %w", err)
	}
	if err := new(Faults).Add(s.Faults...); err != nil {
		return Scenario{}, fmt.Errorf("the scenario makes no sense: %w", err)
	}
	return s, nil
}

// LoadScenario is ParseScenario for a file.
func LoadScenario(file string) (Scenario, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return Scenario{}, fmt.Errorf("the scenario cannot be opened: %w", err)
	}
	s, err := ParseScenario(text)
	if err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// Apply orders everything that the scenario asks for.
func (f *Faults) Apply(s Scenario) error {
	if s.Seed != 0 {
		f.Seed(s.Seed)
	}
	return f.Add(s.Faults...)
}
