CREATE TABLE payments (id text);
