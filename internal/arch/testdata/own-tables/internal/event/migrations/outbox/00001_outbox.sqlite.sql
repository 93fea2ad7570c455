CREATE TABLE outbox (id text); -- want
