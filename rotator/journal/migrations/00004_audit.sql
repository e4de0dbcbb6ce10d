-- What was decided and done, in a chain of hashes.

-- +goose Up

-- record is the text that hash sums up; it names the hash of the record before. seq is the row's own number in SQLite.
CREATE TABLE audit (
    seq    INTEGER NOT NULL PRIMARY KEY,
    at     BIGINT  NOT NULL,
    record TEXT    NOT NULL,
    hash   BYTEA   NOT NULL
);

-- The last record that was appended, so that one that is missing from the end is missed.
CREATE TABLE audit_head (
    one  SMALLINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq  BIGINT   NOT NULL,
    hash BYTEA    NOT NULL
);

-- The names of a rotation, for removing old ones.
CREATE INDEX names_rotation ON names (rotation);
