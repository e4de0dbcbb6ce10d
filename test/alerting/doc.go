// Package alerting holds the shipped alerting rules and dashboards to what the real daemon exports: every metric and label that
// they name is one of its, every alert fires on series as it exports them and is silent on those of a healthy one, and a fault
// reaches a receiver by way of a real Prometheus and a real Alertmanager.
package alerting
