CREATE TABLE outbox (id text);
