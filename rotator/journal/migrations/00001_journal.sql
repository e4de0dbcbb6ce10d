-- The text is meant for SQLite and PostgreSQL alike. Times are Unix milliseconds, NULL for "none". BYTEA is not a type
-- that SQLite knows: it stores what it is given, and the daemon gives it blobs. Flags are 0 or 1.

-- +goose Up

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE rotations (
    id             TEXT     NOT NULL PRIMARY KEY,
    provider       TEXT     NOT NULL,
    user_id        TEXT     NOT NULL,
    base           TEXT     NOT NULL,
    version        BIGINT   NOT NULL,
    seq            BIGINT   NOT NULL CHECK (seq > 0),
    stage          TEXT     NOT NULL,
    stage_at       BIGINT   NOT NULL,
    is_open        SMALLINT NOT NULL CHECK (is_open IN (0, 1)),
    calls_provider SMALLINT NOT NULL CHECK (calls_provider IN (0, 1)),
    next_at        BIGINT   NOT NULL,
    blocked        TEXT     NOT NULL,
    body           TEXT     NOT NULL,
    sealed         BYTEA,
    CHECK (is_open = 1 OR sealed IS NULL)
);
-- One open rotation per credential.
CREATE UNIQUE INDEX rotations_one_open ON rotations (provider, user_id, base) WHERE is_open = 1;
-- What is due, and what is due that needs no call to a paused provider.
CREATE INDEX rotations_due ON rotations (provider, next_at, id) WHERE is_open = 1;
CREATE INDEX rotations_due_offline ON rotations (provider, next_at, id) WHERE is_open = 1 AND calls_provider = 0;
-- For the counts and the lists that people see.
CREATE INDEX rotations_stage ON rotations (provider, stage, stage_at) WHERE is_open = 1;
CREATE INDEX rotations_blocked ON rotations (provider, blocked) WHERE is_open = 1 AND blocked <> '';
CREATE INDEX rotations_ended ON rotations (stage_at, id) WHERE is_open = 0;

-- Append-only.
CREATE TABLE history (
    rotation   TEXT   NOT NULL REFERENCES rotations (id),
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    from_stage TEXT   NOT NULL,
    to_stage   TEXT   NOT NULL,
    note       TEXT   NOT NULL,
    PRIMARY KEY (rotation, seq)
);

CREATE TABLE credentials (
    provider        TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    base            TEXT   NOT NULL,
    highest_version BIGINT NOT NULL,
    PRIMARY KEY (provider, user_id, base)
);

CREATE TABLE names (
    provider TEXT     NOT NULL,
    user_id  TEXT     NOT NULL,
    name     TEXT     NOT NULL,
    rotation TEXT     NOT NULL REFERENCES rotations (id),
    version  BIGINT   NOT NULL,
    sealed   SMALLINT NOT NULL CHECK (sealed IN (0, 1)),
    PRIMARY KEY (provider, user_id, name)
);
CREATE INDEX names_unsealed ON names (provider, user_id, name) WHERE sealed = 0;

CREATE TABLE locations (
    sink     TEXT NOT NULL,
    location TEXT NOT NULL,
    provider TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    base     TEXT NOT NULL,
    PRIMARY KEY (sink, location)
);

CREATE TABLE users (
    provider TEXT     NOT NULL,
    id       TEXT     NOT NULL,
    name     TEXT     NOT NULL,
    email    TEXT     NOT NULL,
    active   SMALLINT NOT NULL CHECK (active IN (0, 1)),
    sum      BIGINT   NOT NULL,
    PRIMARY KEY (provider, id)
);

CREATE TABLE keys (
    provider      TEXT             NOT NULL,
    id            TEXT             NOT NULL,
    user_id       TEXT             NOT NULL,
    name          TEXT             NOT NULL,
    base          TEXT             NOT NULL,
    version       BIGINT           NOT NULL,
    created       BIGINT,
    expires       BIGINT,
    last_used     BIGINT,
    state         TEXT             NOT NULL,
    policy        TEXT             NOT NULL,
    deadline      BIGINT,
    due           BIGINT,
    look_at       BIGINT,
    draw          DOUBLE PRECISION NOT NULL,
    waiting       TEXT             NOT NULL DEFAULT '',
    waiting_why   TEXT             NOT NULL DEFAULT '',
    waiting_since BIGINT,
    missing_since BIGINT,
    sum           BIGINT           NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX keys_series ON keys (provider, user_id, base);
CREATE INDEX keys_look ON keys (provider, look_at, id) WHERE look_at IS NOT NULL;
CREATE INDEX keys_waiting ON keys (waiting_since, provider, id) WHERE waiting <> '' AND missing_since IS NULL;
-- A key counts once, as the first of these that it is.
CREATE INDEX keys_class ON keys (provider, (CASE WHEN missing_since IS NOT NULL THEN 'missing' WHEN state <> 'active' THEN 'inactive'
    WHEN policy = '' THEN 'unmanaged' WHEN waiting <> '' THEN 'waiting' ELSE 'managed' END));
CREATE INDEX keys_waiting_reason ON keys (provider, waiting, look_at) WHERE waiting <> '';

CREATE TABLE holds (
    provider   TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    base       TEXT   NOT NULL,
    held_by    TEXT   NOT NULL,
    held_until BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    placed_at  BIGINT,
    PRIMARY KEY (provider, user_id, base)
);

CREATE TABLE provider_state (
    provider TEXT NOT NULL PRIMARY KEY,
    body     TEXT NOT NULL
);
