CREATE TABLE ledger (id text PRIMARY KEY);
