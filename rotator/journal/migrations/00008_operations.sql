-- What operators look back at: leaks that were reported, and what the last verification found of each credential.

-- +goose Up

CREATE TABLE incidents (
    id   TEXT   NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL,
    body TEXT   NOT NULL
);
CREATE INDEX incidents_at ON incidents (at, id);

CREATE TABLE verifications (
    provider TEXT   NOT NULL,
    user_id  TEXT   NOT NULL,
    base     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    outcome  TEXT   NOT NULL,
    body     TEXT   NOT NULL,
    PRIMARY KEY (provider, user_id, base)
);
CREATE INDEX verifications_outcome ON verifications (provider, outcome, at);
