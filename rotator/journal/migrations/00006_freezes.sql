-- Freezes that operators placed, beside those of the configuration.

-- +goose Up

CREATE TABLE freezes (
    id                    TEXT   NOT NULL PRIMARY KEY,
    frozen_from           BIGINT NOT NULL,
    frozen_to             BIGINT NOT NULL,
    reason                TEXT   NOT NULL,
    unless_expires_within BIGINT NOT NULL,
    placed_by             TEXT   NOT NULL,
    placed_at             BIGINT NOT NULL
);
CREATE INDEX freezes_end ON freezes (frozen_to, id);
