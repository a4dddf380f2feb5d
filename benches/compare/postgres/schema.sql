-- Fillfactor 50 leaves room in each page for the next version of its rows, so that an update need not touch the index.
DROP TABLE IF EXISTS debits, sessions;
CREATE TABLE sessions (
    id integer PRIMARY KEY,
    cap bigint NOT NULL,
    spent bigint NOT NULL DEFAULT 0,
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE debits (
    key bigint PRIMARY KEY,
    session integer NOT NULL,
    amount bigint NOT NULL
);
