package docs

import _ "embed"

// Operations is operations.md: what to do about each reason that a page, a metric or a message may show. The daemon serves it,
// because whoever needs it may not reach anything else.
//
//go:embed operations.md
var Operations string
