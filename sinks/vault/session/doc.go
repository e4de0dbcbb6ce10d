// Package session speaks to a server behind the HashiCorp Vault API: it logs in, keeps the token valid, sends token and secrets
// to no other host, and says in words what an answer means. What is asked for is its users' affair.
package session
