package sqltables_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/sqltables"
)

func names(uses []sqltables.Use) string {
	list := make([]string, len(uses))
	for i, u := range uses {
		list[i] = u.String()
		if u.Creates {
			list[i] = "+" + list[i]
		}
	}
	return strings.Join(list, " ")
}

func TestIn(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`SELECT * FROM carts`: "carts",
		`select id from Carts c, cart_lines AS l where c.id = l.id, x`:                                 "carts cart_lines",
		`SELECT 1 FROM "Odd Name" JOIN orders.orders o ON o.id = x`:                                    "Odd Name orders.orders",
		"SELECT 1 FROM `a` LEFT OUTER JOIN [b] USING (id), c":                                          "a b c",
		`SELECT 1 FROM a CROSS JOIN LATERAL (SELECT 1 FROM b WHERE b.x = a.x) z`:                       "a b",
		`SELECT 1 FROM (a JOIN b ON a.x = b.x), c`:                                                     "a b c",
		`SELECT 1 FROM (SELECT x FROM a, b) s, c`:                                                      "a b c",
		`WITH a AS (SELECT 1 FROM x), b AS MATERIALIZED (SELECT 1 FROM a) SELECT 1 FROM b, a, y`:       "x y",
		`WITH orders AS (SELECT * FROM orders) SELECT * FROM orders`:                                   "orders",
		`WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t`:              "",
		`WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone`:                    "a b",
		`SELECT EXTRACT(YEAR FROM created_at) FROM a`:                                                  "a",
		`SELECT trim(both FROM x), substring(y FROM 2) FROM a WHERE b IS DISTINCT FROM c`:              "a",
		`SELECT * FROM generate_series(1, 3) AS n, json_each(x) j JOIN a ON true`:                      "a",
		`INSERT INTO a (x, y) VALUES (?, $1) ON CONFLICT (x) DO UPDATE SET y = excluded.y RETURNING x`: "a",
		`INSERT OR IGNORE INTO a VALUES (1)`:                                                           "a",
		`REPLACE INTO a VALUES (1)`:                                                                    "a",
		`UPDATE ONLY a SET x = b.y FROM b WHERE EXISTS (SELECT 1 FROM c)`:                              "a b c",
		`UPDATE a SET x = (SELECT max(y) FROM b), z = 1`:                                               "a b",
		`UPDATE "orders"."orders" SET x = 1`:                                                           "orders.orders",
		`DELETE FROM a USING b, c WHERE a.x = b.x`:                                                     "a b c",
		`SELECT x FROM a FOR UPDATE OF a SKIP LOCKED`:                                                  "a",
		`SELECT x FROM a FOR NO KEY UPDATE`:                                                            "a",
		`MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN UPDATE SET y = 1`:                         "a b",
		`TRUNCATE a, b`: "a b",
		`TRUNCATE TABLE a, ONLY b CASCADE; SELECT 1 FROM c`: "a b c",
		`LOCK TABLE a IN EXCLUSIVE MODE`:                    "a",
		`TABLE a`:                                           "a",
		`COPY a (x) FROM STDIN`:                             "a",
		`CREATE TABLE IF NOT EXISTS a (x text REFERENCES b (x), y text DEFAULT 'FROM z', CHECK (x IN ('from q')))`: "+a b",
		`CREATE TABLE a PARTITION OF b FOR VALUES FROM (1) TO (2)`:                                                 "+a b",
		`CREATE TABLE a (LIKE b INCLUDING ALL)`:                                                                    "+a b",
		`CREATE TABLE a AS SELECT * FROM b`:                                                                        "+a b",
		`CREATE TEMP TABLE t (x int); INSERT INTO t SELECT x FROM a; SELECT * FROM t`:                              "a",
		`CREATE UNIQUE INDEX CONCURRENTLY i ON a USING gin (x)`:                                                    "a",
		`CREATE INDEX i ON a (x)`:                                                                                  "a",
		`CREATE VIEW v AS SELECT * FROM a`:                                                                         "+v a",
		`CREATE TRIGGER x AFTER UPDATE OF y ON a FOR EACH ROW EXECUTE FUNCTION f()`:                                "a",
		`ALTER TABLE IF EXISTS ONLY a ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES s.b`:                             "a s.b",
		`ALTER TABLE a RENAME TO b`:                                                                                "a +b",
		`ALTER TABLE a ATTACH PARTITION b DEFAULT`:                                                                 "a b",
		`DROP TABLE IF EXISTS a, b`:                                                                                "a b",
		`GRANT SELECT, REFERENCES ON a TO shop`:                                                                    "a",
		`SELECT 'it''s FROM a' FROM b -- FROM c`:                                                                   "b",
		`SELECT E'\' FROM a' /* FROM b /* nested */ FROM c */ FROM d`:                                              "d",
		`SELECT $tag$ FROM a $tag$, $1 FROM b`:                                                                     "b",
		`DO $$ BEGIN DELETE FROM a; EXECUTE format('CREATE TABLE b (x int)'); END $$`:                              "a +b",
		`id IN (SELECT order_id FROM orders WHERE x = ?) AND y > ?`:                                                "orders",
		`LEFT JOIN payments.payments p ON p.order_id = orders.id`:                                                  "payments.payments",
		`LEFT JOIN a USING (id) JOIN b USING (id)`:                                                                 "a b",
		`created_at DESC, from_date`:                                                                               "",
		`status = 'from orders' AND o.from = 1`:                                                                    "",
		`SELECT a.update, a.table FROM a`:                                                                          "a",
		"SELECT 1 FROM " + sqltables.Unknown + " JOIN b ON true":                                                   sqltables.Unknown + " b",
		`SELECT 1 UNION SELECT 2 FROM a UNION ALL (SELECT 3 FROM b) ORDER BY 1`:                                    "a b",
		`SELECT (SELECT count(*) FROM a), b FROM c WHERE x = ANY (SELECT y FROM d)`:                                "a c d",
		`SELECT coalesce((SELECT sum(x) FROM a), 0) FROM b`:                                                        "a b",
		`SELECT count(*) FILTER (WHERE x) FROM a GROUP BY y, z HAVING max(q) > 1`:                                  "a",
		`EXPLAIN ANALYZE SELECT 1 FROM a`:                                                                          "a",
		`PRAGMA foreign_keys`:                                                                                      "",
		`SELECT FROM`:                                                                                              "",
		`INSERT INTO`:                                                                                              "",
	} {
		require.Equal(t, want, names(sqltables.In(sql)), sql)
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	require.Equal(t, "x.y", names(sqltables.From(`x.y AS z`)))
	require.Equal(t, "a b", names(sqltables.From(`a, b`)))
	require.Equal(t, "q", names(sqltables.From(`(SELECT 1 FROM q) AS z`)))
	require.Empty(t, sqltables.From(`(?) AS z`))
	require.Equal(t, 0, sqltables.From(`orders`)[0].Offset)
}

// FuzzIn finds texts on which the reader hangs or breaks.
func FuzzIn(f *testing.F) {
	for _, seed := range []string{
		`WITH a AS (SELECT 1 FROM "b") SELECT * FROM a, LATERAL (SELECT 1) x WHERE y IN (?)`,
		`CREATE TABLE a (LIKE b); DO $$ BEGIN DELETE FROM a; END $$`,
		"UPDATE OR REPLACE [a] SET x = $1 /* */ FROM `c` -- d", `INSERT INTO a.b.c (x)`, `TRUNCATE TABLE (a,`, `FROM (((`, `))),,`, `WITH x(`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, u := range sqltables.In(sql) {
			if u.Offset < 0 || u.Offset > len(sql) {
				t.Fatalf("offset %d outside of %q", u.Offset, sql)
			}
		}
	})
}
