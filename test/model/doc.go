// Package model holds a formal model of the stages and of the lease, in Promela, and checks it with spin. What it says
// and what it found is in docs/model.md.
package model
