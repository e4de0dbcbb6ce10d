-- What tells consumers of new keys: runs that wait, and those that have ended, as evidence.

-- +goose Up

-- call is set while a run was begun and its outcome is not known; ended_at once it has ended.
CREATE TABLE hook_runs (
    id       TEXT   NOT NULL PRIMARY KEY,
    rotation TEXT   NOT NULL REFERENCES rotations (id),
    hook     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    next_at  BIGINT,
    attempt  BIGINT NOT NULL DEFAULT 0,
    call     TEXT   NOT NULL DEFAULT '',
    trouble  TEXT   NOT NULL DEFAULT '',
    ended_at BIGINT,
    result   TEXT   NOT NULL DEFAULT '',
    detail   TEXT   NOT NULL DEFAULT '',
    body     TEXT   NOT NULL
);
CREATE INDEX hook_runs_pending ON hook_runs (hook, next_at, id) WHERE ended_at IS NULL;
CREATE INDEX hook_runs_failing ON hook_runs (at, id) WHERE ended_at IS NULL AND trouble <> '';
CREATE INDEX hook_runs_call ON hook_runs (call) WHERE call <> '';
CREATE INDEX hook_runs_rotation ON hook_runs (rotation, at, id);
