CREATE TABLE outbox (id text PRIMARY KEY);
