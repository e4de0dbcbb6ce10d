// Package webhook tells of notices by an HTTP POST: to anything that takes CloudEvents, or to the incoming webhooks of Slack
// and Microsoft Teams.
//
// A message is one POST, whatever number of notices it holds, so that it is accepted as a whole or not at all. What is sent again after
// an answer was lost bears the same id. Redirects are not followed, and of an answer nothing but its status is used.
package webhook
