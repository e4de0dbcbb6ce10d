-- How old the fleet's keys are and how long they live on, counted by walks along an index, without a sort.

-- +goose Up

CREATE INDEX keys_age ON keys (provider, (CASE WHEN state <> 'active' OR missing_since IS NOT NULL THEN 'off' WHEN policy = '' THEN 'unmanaged' ELSE 'managed' END), created);
CREATE INDEX keys_left ON keys (provider, (CASE WHEN state <> 'active' OR missing_since IS NOT NULL THEN 'off' WHEN policy = '' THEN 'unmanaged' ELSE 'managed' END), expires);
