-- Who of several replicas acts on an account.

-- +goose Up

-- epoch rises each time the account changes hands; lease_until is NULL once the lease was given back.
CREATE TABLE leases (
    account     TEXT   NOT NULL PRIMARY KEY,
    owner       TEXT   NOT NULL,
    epoch       BIGINT NOT NULL CHECK (epoch > 0),
    since       BIGINT NOT NULL,
    lease_until BIGINT
);
