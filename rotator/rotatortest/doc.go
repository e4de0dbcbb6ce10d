// Package rotatortest holds an in-memory provider and sink, and a way to crash what uses them at any point. They are
// fakes, not mocks: they keep state and answer from it, so a test looks at what is true at the end.
package rotatortest
