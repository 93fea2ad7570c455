CREATE TABLE payments (id text PRIMARY KEY);
CREATE TABLE charges (id text PRIMARY KEY);
