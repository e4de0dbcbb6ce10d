package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/rotator"
)

// checker looks for what is wrong although every field can be read. It leaves alone what the decoder complained about.
type checker struct {
	*decoder
	cfg *Config
}

func (c *checker) check() {
	c.server()
	c.keeping()
	c.postgres()
	c.seal()
	c.schedule("scan.schedule", "scan.timezone", c.cfg.Scan.Schedule, c.cfg.Scan.Timezone)
	c.providers()
	c.sinks()
	c.policies()
	c.serviceUsers()
	c.freezes()
	c.notifications()
	c.hooks()
	c.drills()
}

// place is the node of the path, or of the nearest thing around it that stands in the file.
func (c *checker) place(path string) *yaml.Node {
	for {
		if n, ok := c.places[path]; ok {
			return n
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return c.places[""]
		}
		path = path[:cut]
	}
}

func (c *checker) errorf(path, suggestion, format string, args ...any) {
	c.problem(c.place(path), path, suggestion, format, args...)
}

func (c *checker) warnf(path, suggestion, format string, args ...any) {
	c.warn(c.place(path), path, suggestion, fmt.Sprintf(format, args...))
}

// good reports whether none of the fields has a problem yet.
func (c *checker) good(paths ...string) bool {
	for _, path := range paths {
		if c.bad[path] {
			return false
		}
	}
	return true
}

// given reports whether the field stands in the file; if not, its value is a default.
func (c *checker) given(path string) bool { return c.places[path] != nil }

// named is a thing of the file that has a name, and its path.
type named struct{ name, path string }

var (
	validName  = regexp.MustCompile(`^[a-z0-9][a-z0-9\-_.]{0,62}$`)
	validLabel = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)
)

// takenLabels are what the daemon's own series are told apart by.
var takenLabels = []string{"provider", "policy"}

// names checks the form of names and that no two things of one kind share one.
func (c *checker) names(things []named) {
	first := map[string]string{}
	for _, t := range things {
		path := t.path + ".name"
		if !c.good(path) {
			continue
		}
		if !validName.MatchString(t.name) {
			c.errorf(path, "use a-z, 0-9, dash, underscore and dot, at most 63, and begin with a letter or a digit",
				"is not a name that can be used in metrics and paths")
			continue
		}
		if other, taken := first[t.name]; taken {
			c.errorf(path, "give each a name of its own", "%q is the name of %s already", t.name, other)
			continue
		}
		first[t.name] = t.path
	}
}

func (c *checker) labels(path string, labels map[string]string) {
	for name := range labels {
		if slices.Contains(takenLabels, name) || strings.HasPrefix(name, "__") {
			c.errorf(join(path, name), "choose another name, such as team",
				"%q is a label that metrics and alerts have already", name)
			continue
		}
		if !validLabel.MatchString(name) {
			c.errorf(join(path, name), "use a-z, A-Z, 0-9 and underscore, and do not begin with a digit",
				"%q is not a name that a metric's label can have", name)
		}
	}
}

// schedule parses a cron expression. What robfig/cron/v3 would misread is refused by the domain's parser.
func (c *checker) schedule(path, zonePath, expr, timezone string) {
	if _, err := rotator.ParseSchedule("* * * * *", timezone); err != nil && c.good(zonePath) {
		c.errorfrom(zonePath, err)
	}
	if _, err := rotator.ParseSchedule(expr, "UTC"); err != nil && c.good(path) {
		c.errorfrom(path, err)
	}
}

// errorfrom reports an error of the domain, which reads "what; what to write instead".
func (c *checker) errorfrom(path string, err error) {
	what, instead, _ := strings.Cut(err.Error(), "; ")
	c.errorf(path, instead, "%s", what)
}

func (c *checker) freezes() {
	for i, f := range c.cfg.Freezes {
		path := fmt.Sprintf("freezes[%d]", i)
		if !c.good(path, path+".from", path+".to") {
			continue
		}
		if !f.From.Start().Before(f.To.End()) {
			c.errorf(path+".to", "write a later date or time", "%s is not after %s, when the freeze begins", f.To, f.From)
		}
	}
}
