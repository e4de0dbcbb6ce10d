-- What a report tells of each key's credential: the rotation that ended last.

-- +goose Up

CREATE INDEX rotations_last ON rotations (provider, user_id, base, stage_at) WHERE is_open = 0;
