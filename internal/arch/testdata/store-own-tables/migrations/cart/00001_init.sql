CREATE TABLE carts (id text);
