CREATE TABLE carts (id text); -- want
