package oracle

import "time"

// stem is how much of a secret is looked for: enough not to occur by chance, and short enough to find a part.
const stem = 16

// secrets finds any of many secrets in a text, in one pass.
type secrets struct{ stems map[string]string }

func newSecrets() secrets { return secrets{stems: map[string]string{}} }

// Secret tells of a secret that exists. owner says in words whose it is.
func (o *Oracle) Secret(value, owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(value) >= stem {
		o.secrets.stems[value[:stem]] = owner
	}
}

// Printed tells of a text that anybody may see: a log, a file, a note. G7: it holds no secret.
func (o *Oracle) Printed(where string, text []byte, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := 0; i+stem <= len(text); i++ {
		if owner, found := o.secrets.stems[string(text[i:i+stem])]; found {
			o.broken("G7", now, "", "the secret of %s stands in %s", owner, where)
			return
		}
	}
}
