-- +goose Up
CREATE TABLE users (
    id            text        NOT NULL PRIMARY KEY,
    email         text        NOT NULL UNIQUE, -- lower case, trimmed
    name          text        NOT NULL,
    password_hash text        NOT NULL, -- Argon2id, with its parameters and salt
    version       bigint      NOT NULL, -- counts the published events
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE TABLE user_roles (
    user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role    text NOT NULL CHECK (role IN ('customer', 'staff', 'admin')),
    PRIMARY KEY (user_id, role)
);

-- One row per log-in: the family of all refresh tokens that descend from it.
CREATE TABLE sessions (
    id         text        NOT NULL PRIMARY KEY,
    user_id    text        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, -- of its newest token
    revoked_at timestamptz,
    reason     text        NOT NULL DEFAULT '' CHECK (reason IN ('', 'logged_out', 'reused', 'password_changed'))
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Used tokens stay until they expire, so that using one again is noticed.
CREATE TABLE refresh_tokens (
    hash       text        NOT NULL PRIMARY KEY, -- SHA-256 in hex; the token itself is kept nowhere
    session_id text        NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE UNIQUE INDEX refresh_tokens_live ON refresh_tokens (session_id) WHERE used_at IS NULL;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- Attempts to log in that have not succeeded, per e-mail and per client address.
CREATE TABLE log_in_attempts (
    subject  text        NOT NULL PRIMARY KEY, -- kind and SHA-256 of what was typed: it need not belong to any user
    attempts bigint      NOT NULL,
    since    timestamptz NOT NULL -- start of the window
);
CREATE INDEX log_in_attempts_since ON log_in_attempts (since);

-- Keys that sign access tokens. The private half is as secret as this database:
-- it is not encrypted again, because its key would have to lie beside it.
CREATE TABLE signing_keys (
    id         text        NOT NULL PRIMARY KEY, -- the kid
    generation bigint      NOT NULL UNIQUE, -- from 1; two instances cannot make the same one
    pkcs8      text        NOT NULL, -- Ed25519, DER in base64
    created_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL
);

-- +goose Down
DROP TABLE signing_keys;
DROP TABLE log_in_attempts;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE user_roles;
DROP TABLE users;
