# Two databases, each with a login of its own: the shop's may make a role for each
# of its modules, the one of payments, which has moved out, may not. Neither can
# enter the other's. PostgreSQL's image runs this once, on an empty volume.
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -v shop="$SHOP_PASSWORD" -v payments="$PAYMENTS_PASSWORD" <<'SQL'
CREATE ROLE shop LOGIN CREATEROLE PASSWORD :'shop';
CREATE ROLE payments LOGIN PASSWORD :'payments';
CREATE DATABASE shop OWNER shop;
CREATE DATABASE payments OWNER payments;
REVOKE CONNECT ON DATABASE shop, payments FROM PUBLIC;
SQL
