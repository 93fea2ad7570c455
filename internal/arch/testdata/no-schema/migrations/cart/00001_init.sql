CREATE SCHEMA cart; -- want
SET search_path TO cart; -- want
CREATE TABLE cart.carts (id text); -- want
CREATE TABLE lines (id text REFERENCES cart.carts (id)); -- want
CREATE INDEX by_id ON public.lines (id); -- want
INSERT INTO lines (id) SELECT carts.id FROM "cart"."carts"; -- want
INSERT INTO lines (id) SELECT lines.id FROM lines;
