package journal

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// TestHotQueriesUseTheirIndex holds that what runs at each tick and each scrape neither walks a table nor sorts.
func TestHotQueriesUseTheirIndex(t *testing.T) {
	s := openTemp(t)
	cases := map[string]struct {
		query string
		args  []any
		index string
	}{
		"due":                   {dueRotations, []any{"p", 0}, "SEARCH rotations USING INDEX rotations_due (provider=? AND next_at<?)"},
		"due while paused":      {dueRotationsOffline, []any{"p", 0}, "SEARCH rotations USING INDEX rotations_due_offline (provider=? AND next_at<?)"},
		"next due":              {nextDue, []any{"p"}, "SEARCH rotations USING COVERING INDEX rotations_due (provider=?)"},
		"next due while paused": {nextDueOffline, []any{"p"}, "SEARCH rotations USING COVERING INDEX rotations_due_offline (provider=?)"},
		"open rotation":         {openRotation, []any{"p", "u", "b"}, "SEARCH rotations USING INDEX rotations_one_open (provider=? AND user_id=? AND base=?)"},
		"ended rotations":       {endedRotations, nil, "SCAN rotations USING INDEX rotations_ended"},
		"keys to look at":       {keysToLookAt, []any{"p", 0, 1}, "SEARCH keys USING INDEX keys_look (provider=? AND look_at>? AND look_at<?)"},
		"count due":             {countDue, []any{"p", 0, 1}, "SEARCH keys USING COVERING INDEX keys_look (provider=? AND look_at>? AND look_at<?)"},
		"count awaiting":        {countAwaiting, []any{"p", "x", 0, 1}, "SEARCH keys USING COVERING INDEX keys_waiting_reason (provider=? AND waiting=?"},
		"next look":             {nextLook, []any{"p"}, "SEARCH keys USING COVERING INDEX keys_look (provider=?"},
		"look earlier":          {lookEarlier, []any{0, "p"}, "SEARCH keys USING INDEX keys_look (provider=? AND look_at>?)"},
		"look again":            {lookAgain, []any{0, "p", "x"}, "SEARCH keys USING INDEX keys_waiting_reason (provider=? AND waiting=?)"},
		"wake beside":           {wakeBeside, []any{0, "p", "u", "b", "k"}, "SEARCH keys USING INDEX keys_series (provider=? AND user_id=? AND base=?)"},
		"series":                {keySeries, []any{"p", "u", "b"}, "SEARCH keys USING INDEX keys_series (provider=? AND user_id=? AND base=?)"},
		"waiting keys":          {waitingKeys, []any{1}, "SCAN keys USING INDEX keys_waiting"},
		"count keys":            {countKeys, nil, "SCAN keys USING INDEX keys_class"},
		"count stages":          {countStages, nil, "SCAN rotations USING COVERING INDEX rotations_stage"},
		"count blocked":         {countBlocked, nil, "SCAN rotations USING COVERING INDEX rotations_blocked"},
		"count waiting":         {countWaiting, nil, "SCAN keys USING INDEX keys_waiting_reason"},
		"upcoming keys":         {upcomingKeys, []any{"p", 0}, "SEARCH k USING INDEX keys_look (provider=? AND look_at>? AND look_at<?)"},
		"holds of a provider":   {holdsOfProvider, []any{"p", 0}, "SEARCH holds USING INDEX sqlite_autoindex_holds_1 (provider=?)"},
		"upcoming rotations":    {upcomingRotations, []any{0, "p", 0}, "SEARCH r USING INDEX rotations_due (provider=? AND next_at<?)"},
		"report":                {reportKeys, []any{0, "p", "k", "", 1}, "SEARCH k USING INDEX sqlite_autoindex_keys_1"},
		"report, of one":        {reportKeysOf, []any{0, "p", "k", "", 1}, "SEARCH k USING INDEX sqlite_autoindex_keys_1 (provider=? AND id>?)"},
		"report, brief":         {reportKeysBrief, []any{0, "p", "k", "", 1}, "SEARCH k USING INDEX sqlite_autoindex_keys_1"},
		"report, of one, brief": {reportKeysOfBrief, []any{0, "p", "k", "", 1}, "SEARCH k USING INDEX sqlite_autoindex_keys_1 (provider=? AND id>?)"},
		"report's last":         {reportKeys, []any{0, "p", "k", "", 1}, "SEARCH e USING INDEX rotations_last (provider=? AND user_id=? AND base=?)"},
		"hasten notices":        {hastenNotices, []any{0, 1}, "SEARCH notices USING INDEX notices_due (next_at>?)"},
		"count fresh notices":   {countFreshNotices, nil, "SEARCH notices USING COVERING INDEX notices_state (attempt=?)"},
		"count failed notices":  {countFailedNotices, nil, "SEARCH notices USING COVERING INDEX notices_state (attempt>?)"},
		"standing rotations":    {standingRotations, nil, "INDEX rotations_"},
		"standing waiting":      {standingWaiting, nil, "SCAN keys USING INDEX keys_waiting"},
		"standing unseen":       {standingUnseen, []any{"p", 0}, "SEARCH keys USING INDEX keys_look (provider=? AND look_at>? AND look_at<?)"},
		"standing key":          {keyTimes, []any{"p", "k"}, "SEARCH keys USING INDEX sqlite_autoindex_keys_1 (provider=? AND id=?)"},
		"hooks of a rotation":   {hooksOfRotation, []any{"r"}, "SEARCH hook_runs USING INDEX hook_runs_rotation (rotation=?)"},
		"failing hooks":         {hooksFailing, []any{1}, "SCAN hook_runs USING INDEX hook_runs_failing"},
		"count pending hooks":   {pendingHooks, nil, "SCAN hook_runs USING INDEX hook_runs_pending"},
		"ages":                  {fleetAges, []any{0}, "SEARCH k USING COVERING INDEX keys_age (provider=? AND <expr>=? AND created>? AND created<?)"},
		"what is left":          {fleetAges, []any{0}, "SEARCH k USING COVERING INDEX keys_left (provider=? AND <expr>=? AND expires>? AND expires<?)"},
		"ageless":               {fleetAgeless, nil, "SEARCH k USING COVERING INDEX keys_age (provider=? AND <expr>=? AND created=?)"},
		"endless":               {fleetAgeless, nil, "SEARCH k USING COVERING INDEX keys_left (provider=? AND <expr>=? AND expires=?)"},
		"count orphans":         {countOrphans, nil, "SCAN n USING INDEX names_unsealed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			plan := queryPlan(t, s, c.query, c.args)
			if !strings.Contains(plan, c.index) || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("the plan is\n%swant one with\n%s\nand without a temporary b-tree", plan, c.index)
			}
		})
	}
}

// TestAPageOfAFleetIsReadInItsOrder holds that a list, whatever it is filtered by, ends where the page does: nothing is sorted.
func TestAPageOfAFleetIsReadInItsOrder(t *testing.T) {
	s := openTemp(t)
	s.names.state = namesUnfit // a search among few users is the next test
	for name, q := range map[string]rotator.FleetQuery{
		"all": {}, "of a provider": {Provider: "p"}, "of a policy": {Policy: "ci"}, "in a state": {State: "managed"}, "in a state at a provider": {Provider: "p", State: "managed"}, "found": {Search: "ci"},
		"of an owner": {Owners: []rotator.Owned{{Provider: "p", Policy: "ci"}, {Provider: "p"}}},
	} {
		t.Run(name, func(t *testing.T) {
			q.Limit = 100
			query, args, err := s.fleetQuery(&q, epoch)
			if err != nil {
				t.Fatal(err)
			}
			plan := queryPlan(t, s, query, args)
			if !strings.Contains(plan, "k USING INDEX keys_series") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("the plan is\n%swant one in the order of keys_series", plan)
			}
		})
	}
}

// TestASearchAmongFewUsersReadsOnlyTheirs allows the sort of what was found, the credentials of [usersAtMost] users.
func TestASearchAmongFewUsersReadsOnlyTheirs(t *testing.T) {
	s := openTemp(t)
	readNamesOf(t, s)
	query, args, err := s.fleetQuery(&rotator.FleetQuery{Search: "ci", Limit: 100}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	const index = "SEARCH k USING INDEX keys_series (provider=? AND user_id=?)"
	if plan := queryPlan(t, s, query, args); !strings.Contains(plan, index) || strings.Contains(plan, "SCAN k") {
		t.Errorf("the plan is\n%swant one with\n%s", plan, index)
	}
}

// TestDueNoticesComeFromIndexes allows the sort of what was found: a batch at most.
func TestDueNoticesComeFromIndexes(t *testing.T) {
	plan := queryPlan(t, openTemp(t), dueNotices, []any{0, 10})
	if !strings.Contains(plan, "INDEX notices_due") || strings.Contains(plan, "SCAN") {
		t.Errorf("the plan is\n%swant one from indexes alone", plan)
	}
}

// TestHooksToTryComeFromIndexes allows the same.
func TestHooksToTryComeFromIndexes(t *testing.T) {
	plan := queryPlan(t, openTemp(t), hooksToTry, []any{"reload", 10})
	if !strings.Contains(plan, "INDEX hook_runs_pending") || strings.Contains(plan, "SCAN") {
		t.Errorf("the plan is\n%swant one from indexes alone", plan)
	}
}

func queryPlan(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	var plan strings.Builder
	err := s.each(t.Context(), "EXPLAIN QUERY PLAN "+query, args, func(rows *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		plan.WriteString(detail + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
