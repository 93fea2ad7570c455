CREATE TABLE charges (id text);
