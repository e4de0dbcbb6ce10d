package main

// overview says whether all is well, and where to look if not.
func overview() dashboard {
	return board("rotatord-overview", "rotatord: overview", "Whether keys are replaced in time, and what stands in the way.", nil, []row{
		{"Is all well?", 4, []panel{
			stat("Instances", "Replicas that answer.", "short", `count(rotatord_build_info{job="$job"})`, 0, 0),
			wrong("Journal", "Whether the journal can be read.", `min(rotatord_journal_up{job="$job"})`),
			wrong("Configuration", "Whether the file that was read last was good.", `min(rotatord_config_last_reload_successful{job="$job"})`),
			wrong("Audit record", "Whether the record was whole when it was last verified.", `min(rotatord_audit_chain_ok{job="$job"})`),
			stat("Expired keys", "Due keys without a successor in every sink that the provider accepts no more.", "short", `sum(max by (provider, policy) (rotatord_expired_keys{job="$job"}))`, 0, 1),
			stat("Window used up", "The part of its renewal window that the latest key has used up. At 100 % its deadline has passed.", "percentunit", `max(rotatord_renewal_window_used_ratio{job="$job"})`, 0.3, 0.6),
		}},
		{"What needs a person", 8, []panel{
			table("Blocked, and for how long", "Rotations and due keys that do not go on by themselves.", "s", `time() - min by (provider, policy, reason) (rotatord_blocked_timestamp_seconds{job="$job"})`),
			table("Leaks that are not confirmed", "Credentials that leaked, by incident and by how they stand.", "short", `max by (incident, provider, policy, standing) (rotatord_leaked_credentials{job="$job"})`),
			table("Firing alerts", "Of rotatord's rules.", "short", `count by (alertname, severity, provider, policy, team) (ALERTS{alertname=~"Rotatord.*", alertstate="firing"})`),
		}},
		{"What moves", 8, []panel{
			lines("Open rotations by stage", "", "short", query{`sum by (stage) (max by (provider, stage) (rotatord_open_rotations{job="$job"})) > 0`, "{{stage}}"}),
			bars("Rotations that ended, per hour", query{`sum by (result) (increase(rotatord_rotations_total{job="$job"}[1h]))`, "{{result}}"}),
			lines("Keys that are due", "Due, and their successor is not in every sink yet.", "short", query{`sum by (provider) (max by (provider, policy) (rotatord_due_keys{job="$job"}))`, "{{provider}}"}),
		}},
		{"The fleet", 8, []panel{
			lines("Keys by state", "", "short", query{`sum by (state) (max by (provider, state) (rotatord_keys{job="$job"}))`, "{{state}}"}),
			lines("Findings", "What is to be said against keys. rotatord report names them.", "short", query{`sum by (finding) (max by (provider, finding) (rotatord_key_findings{job="$job"})) > 0`, "{{finding}}"}),
			table("Last proven rotation", "How long ago a rotation ended with its old key retired on evidence.", "s", `time() - max by (provider) (rotatord_last_proven_rotation_timestamp_seconds{job="$job"} > 0)`),
		}},
		{"Providers and sinks", 8, []panel{
			lines("Providers that are seen", "1 while the latest scan was complete and the breaker is closed.", "short", query{`max by (provider) (rotatord_provider_up{job="$job"})`, "{{provider}}"}),
			lines("Sinks that answer", "", "short", query{`min by (sink) (rotatord_sink_up{job="$job"})`, "{{sink}}"}),
			bars("Deliveries per hour", query{`sum by (sink, result) (increase(rotatord_sink_deliveries_total{job="$job"}[1h])) > 0`, "{{sink}} {{result}}"}),
		}},
		{"Proof", 8, []panel{
			lines("Verified credentials", "By what the last verification of each found.", "short", query{`sum by (outcome) (max by (provider, outcome) (rotatord_verified_credentials{job="$job"})) > 0`, "{{outcome}}"}),
			table("Last verification", "How long ago a credential was last verified.", "s", `time() - max by (provider) (rotatord_last_verification_timestamp_seconds{job="$job"} > 0)`),
			table("Drills that stand still", "Blocked, or at work in one stage.", "s", `time() - min by (provider, policy) (rotatord_drill_stuck_timestamp_seconds{job="$job"})`),
			table("Next proof", "By when drills have to have proven again that rotating works; negative is too late.", "s", `max by (provider) (rotatord_proof_due_timestamp_seconds{job="$job"}) - time()`),
		}},
		{"Hooks", 8, []panel{
			lines("New keys to tell of", "", "short", query{`max by (hook) (rotatord_hook_runs_pending{job="$job"})`, "{{hook}}"}, query{`max by (hook) (rotatord_hook_runs_failing{job="$job"})`, "{{hook}} fails"}),
			bars("Attempts to tell, per hour", query{`sum by (hook, result) (increase(rotatord_hook_runs_total{job="$job"}[1h])) > 0`, "{{hook}} {{result}}"}),
			table("Waiting the longest", "How long ago the key was in all its places that a hook has still to tell of.", "s", `time() - min by (hook) (rotatord_hook_oldest_timestamp_seconds{job="$job"})`),
		}},
		{"Operators and notices", 8, []panel{
			lines("Holds and freezes", "", "short", query{`max(rotatord_hold_active{job="$job"})`, "holds"}, query{`max(rotatord_freeze_active{job="$job"})`, "frozen"}),
			lines("Notices that wait", "", "short", query{`max(rotatord_notices_pending{job="$job"})`, "waiting"}, query{`max(rotatord_notices_undelivered{job="$job"})`, "failed at least once"}),
			table("The daemon's own credentials", "How long they are still good.", "s", `min by (kind, name) (rotatord_own_credential_expiration_timestamp_seconds{job="$job"}) - time()`),
		}},
		{"The daemon", 8, []panel{
			lines("Memory", "", "bytes", query{`process_resident_memory_bytes{job="$job"}`, "{{instance}}"}),
			lines("CPU", "", "percentunit", query{`rate(process_cpu_seconds_total{job="$job"}[5m])`, "{{instance}}"}),
			lines("Journal errors per hour", "", "short", query{`increase(rotatord_journal_errors_total{job="$job"}[1h])`, "{{instance}}"}),
		}},
	})
}

// perProvider is about what happens at one provider.
func perProvider() dashboard {
	vars := []variable{
		chosen("provider", "Provider", `label_values(rotatord_provider_up{job="$job"}, provider)`, false),
		chosen("policy", "Policy", `label_values(rotatord_due_keys{job="$job", provider="$provider"}, policy)`, true),
	}
	return board("rotatord-provider", "rotatord: one provider", "Scans, requests, rotations and blocks at one provider.", vars, []row{
		{"Is it well?", 4, []panel{
			wrong("Seen", "Whether the latest scan was complete and the breaker is closed.", `max(rotatord_provider_up{job="$job", provider="$provider"})`),
			stat("Scan is late by", "How long ago the next scan should have begun.", "s", `clamp_min(time() - max(rotatord_scan_due_timestamp_seconds{job="$job", provider="$provider"}), 0)`, 1800, 21600),
			stat("Breaker", "1 while repeated failures keep the daemon from calling.", "short", `max(rotatord_breaker_open{job="$job", provider="$provider"})`, 0, 1),
			stat("Waiting for approval", "Held back by the blast-radius cap.", "short", `max(rotatord_awaiting_approval{job="$job", provider="$provider"})`, 1, 0),
			stat("Orphans", "Keys that work and whose secret nobody has.", "short", `max(rotatord_orphan_keys{job="$job", provider="$provider"})`, 1, 0),
			stat("Acting replicas", "1 is right: 0 is nobody, 2 is one too many.", "short", `sum(rotatord_lease_held{job="$job", provider="$provider"})`, 2, 2),
		}},
		{"Keys", 8, []panel{
			lines("Keys by state", "", "short", query{`max by (state) (rotatord_keys{job="$job", provider="$provider"})`, "{{state}}"}),
			lines("Keys in a scan", "As of the last complete one.", "short", query{`max(rotatord_scan_keys{job="$job", provider="$provider"})`, "keys"}),
			lines("Renewal window used up", "By policy. At 100 % a deadline has passed.", "percentunit", query{`max by (policy) (rotatord_renewal_window_used_ratio{job="$job", provider="$provider", policy=~"$policy"})`, "{{policy}}"}),
		}},
		{"Rotations", 8, []panel{
			lines("Open, by stage", "", "short", query{`max by (stage) (rotatord_open_rotations{job="$job", provider="$provider"}) > 0`, "{{stage}}"}),
			bars("Ended, per hour", query{`sum by (reason, result) (increase(rotatord_rotations_total{job="$job", provider="$provider"}[1h])) > 0`, "{{reason}} {{result}}"}),
			lines("Blocked", "", "short", query{`max by (reason) (rotatord_rotations_blocked{job="$job", provider="$provider"}) > 0`, "{{reason}}"}),
		}},
		{"What stands still", 8, []panel{
			table("Blocked, and for how long", "", "s", `time() - min by (policy, reason) (rotatord_blocked_timestamp_seconds{job="$job", provider="$provider", policy=~"$policy"})`),
			table("At work, and for how long", "Rotations that nothing blocks, by stage.", "s", `time() - min by (policy, stage) (rotatord_rotation_step_timestamp_seconds{job="$job", provider="$provider", policy=~"$policy"})`),
			table("Leaks that are not confirmed", "Credentials that leaked, by incident and by how they stand.", "short", `max by (incident, policy, standing) (rotatord_leaked_credentials{job="$job", provider="$provider", policy=~"$policy|"})`),
			table("Next deadlines", "Of single keys; only where series for each key are exported.", "s", `bottomk(20, min by (credential, key_id) (rotatord_key_revoke_due_timestamp_seconds{job="$job", provider="$provider", policy=~"$policy"}) - time())`),
		}},
		{"Proof", 8, []panel{
			lines("Verified credentials", "By what the last verification of each found.", "short", query{`max by (outcome) (rotatord_verified_credentials{job="$job", provider="$provider"}) > 0`, "{{outcome}}"}),
			bars("Drills that ended, per day", query{`sum by (result) (increase(rotatord_rotations_total{job="$job", provider="$provider", reason="drill"}[1d]))`, "{{result}}"}),
			table("Drills that stand still", "Blocked, or at work in one stage.", "s", `time() - min by (policy) (rotatord_drill_stuck_timestamp_seconds{job="$job", provider="$provider"})`),
		}},
		{"Requests", 8, []panel{
			lines("Requests per second", "", "reqps", query{`sum by (operation) (rate(rotatord_provider_requests_total{job="$job", provider="$provider"}[5m]))`, "{{operation}}"}),
			lines("Answers that are no success, per second", "", "reqps", query{`sum by (code) (rate(rotatord_provider_requests_total{job="$job", provider="$provider", code!~"2.."}[5m]))`, "{{code}}"}),
			lines("Duration, 95 of 100 requests", "", "s", query{`histogram_quantile(0.95, sum by (le, operation) (rate(rotatord_provider_request_duration_seconds_bucket{job="$job", provider="$provider"}[5m])))`, "{{operation}}"}),
		}},
		{"Scans", 8, []panel{
			lines("Duration", "", "s", query{`max(rotatord_scan_duration_seconds{job="$job", provider="$provider"})`, "scan"}),
			bars("Scans per hour", query{`sum by (result) (increase(rotatord_scans_total{job="$job", provider="$provider"}[1h]))`, "{{result}}"}),
			lines("Service users that must exist", "", "short", query{`max by (state) (rotatord_service_users{job="$job", provider="$provider"})`, "{{state}}"}),
		}},
	})
}
