-- What people lend a hand with: keys that providers do not list, service users that must exist, and notices.

-- +goose Up

ALTER TABLE users ADD COLUMN login TEXT NOT NULL DEFAULT '';

-- Keys that a person told of, because their provider does not list them.
CREATE TABLE ledger (
    provider TEXT NOT NULL,
    id       TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    name     TEXT NOT NULL,
    created  BIGINT,
    expires  BIGINT,
    state    TEXT NOT NULL,
    PRIMARY KEY (provider, id)
);

CREATE TABLE provisions (
    provider TEXT NOT NULL,
    label    TEXT NOT NULL,
    state    TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (provider, label)
);

-- Notices that have not been delivered yet.
CREATE TABLE notices (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    trouble TEXT   NOT NULL DEFAULT '',
    message TEXT   NOT NULL DEFAULT '',
    body    TEXT   NOT NULL
);
CREATE INDEX notices_due ON notices (next_at, id);
CREATE INDEX notices_state ON notices (attempt, at);
CREATE INDEX notices_message ON notices (message) WHERE message <> '';
