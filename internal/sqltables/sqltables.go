// Package sqltables tells which tables a text of SQL touches. It knows as much
// of the grammar of PostgreSQL and SQLite as that takes: it reads statements,
// scripts, and the pieces of statements that query builders are given.
//
// What belongs here: names in SQL. What does not: whose tables they are.
package sqltables

import (
	"slices"
	"strings"
)

// Unknown stands in a text for a part that is not known. A name that contains it
// is reported with it.
const Unknown = "\x00"

// Use is one place where a text names a table.
type Use struct {
	Schema  string // as written, without quotes; empty where none is named
	Name    string // in lower case unless it was quoted
	Creates bool   // the statement makes the table
	Offset  int    // of the name, in bytes from the start of the text
}

// String gives the name as one would write it.
func (u Use) String() string {
	if u.Schema != "" {
		return u.Schema + "." + u.Name
	}
	return u.Name
}

// In gives the tables that the statements, or the piece of one, touch. Names of
// common table expressions, temporary tables, functions and columns are none.
func In(sql string) []Use {
	r := &reader{tokens: scan(sql), temporary: map[string]bool{}}
	r.run()
	return r.uses
}

// From gives the tables of what may follow the word FROM: "orders.lines AS l".
func From(list string) []Use {
	const before = "FROM "
	uses := In(before + list)
	for i := range uses {
		uses[i].Offset -= len(before)
	}
	return uses
}

// reader walks over the tokens. Every word that is followed by a table has a
// method; everything else is passed over.
type reader struct {
	tokens    []token
	at        int
	uses      []Use
	scopes    []scope
	temporary map[string]bool // tables that live as long as the connection
}

// scope is a statement or a pair of parentheses.
type scope struct {
	names    []string // common table expressions known in it
	pending  string   // known from the parenthesis on that closes next
	function bool     // the parentheses of a call, in which FROM may be no clause
	from     bool     // inside the list after FROM, where a comma brings a table
}

func (r *reader) run() {
	r.scopes = []scope{{}}
	for r.at < len(r.tokens) {
		t := r.tokens[r.at]
		switch {
		case t.kind == mark:
			r.punctuation(t.value)
		case t.kind == word:
			r.word(t)
		case t.kind == text && r.wasWord(1, "do") || t.kind == text && r.wasWord(1, "as") && r.body(t.value):
			r.nested(t)
		}
		r.at++
	}
}

func (r *reader) punctuation(p string) {
	switch p {
	case ";":
		r.scopes = []scope{{}}
	case "(":
		before := r.look(-1)
		call := (before.kind == word && !notCalled[before.value] || before.kind == quoted) && r.look(1).value != "select" && r.look(1).value != "with"
		r.scopes = append(r.scopes, scope{function: call})
	case ")":
		if len(r.scopes) > 1 {
			r.scopes = r.scopes[:len(r.scopes)-1]
		}
		if top := r.top(); top.pending != "" {
			top.names = append(top.names, top.pending)
			top.pending = ""
		}
	case ",":
		if top := r.top(); top.from {
			r.at++
			r.table(false)
			r.at--
		} else if r.inWith() {
			r.expression(false)
		}
	}
}

func (r *reader) top() *scope { return &r.scopes[len(r.scopes)-1] }

// word handles the words that a table follows.
func (r *reader) word(t token) {
	if r.isName(-1) { // x.from is a column
		return
	}
	switch t.value {
	case "with":
		if next := r.look(1); next.kind == word && next.value == "recursive" {
			r.at++
			r.expression(true)
		} else {
			r.expression(false)
		}
	case "from", "using":
		r.from(t.value)
	case "join":
		r.after(1, false)
	case "into":
		if r.wasWord(1, "insert", "replace", "merge", "ignore", "abort", "fail", "rollback") {
			r.after(1, false)
		}
	case "update":
		r.update()
	case "truncate", "lock", "vacuum", "analyze", "copy":
		r.command(t.value)
	case "table":
		r.definition()
	case "view":
		r.named(!r.wasWord(1, "drop", "alter"))
	case "index":
		r.index()
	case "trigger":
		r.trigger()
	case "references":
		if !r.wasWord(1, "grant", "revoke", ",") {
			r.after(1, false)
		}
	case "of":
		if r.wasWord(1, "partition") {
			r.after(1, false)
		}
	case "inherits":
		r.at++
		r.list()
	case "partition":
		if r.wasWord(1, "attach", "detach") {
			r.after(1, false)
		}
	case "on":
		r.grant()
	case "where", "group", "order", "having", "limit", "set", "returning", "union", "except", "intersect", "values", "select", "window", "offset", "fetch", "for", "when":
		r.top().from = false
	}
}

// notCalled are words before a parenthesis that is no call.
var notCalled = wordSet("from join in and or not exists select where on as using values any all some any with union except intersect by set " +
	"then else when case over filter materialized lateral key check unique distinct returning having limit offset like ilike between default into array recursive")

func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		set[w] = true
	}
	return set
}

// ends are words that can follow a table and are no alias of it.
var ends = wordSet("where group order having limit set returning union except intersect join left right full inner cross natural on using values " +
	"window offset fetch for select from when do default as indexed not tablesample")

func (r *reader) look(n int) token {
	if i := r.at + n; i >= 0 && i < len(r.tokens) {
		return r.tokens[i]
	}
	return token{kind: end}
}

// isName tells whether the token before, at distance n, is the dot of a name.
func (r *reader) isName(n int) bool {
	t := r.look(n)
	return t.kind == mark && t.value == "."
}

// wasWord tells whether the token n back is one of the words.
func (r *reader) wasWord(n int, words ...string) bool {
	t := r.look(-n)
	return t.kind != quoted && t.kind != text && slices.Contains(words, t.value)
}

func (r *reader) add(schema, name string, offset int, creates bool) {
	if schema == "" {
		if r.temporary[name] {
			return
		}
		for _, s := range r.scopes {
			if slices.Contains(s.names, name) {
				return
			}
		}
	}
	r.uses = append(r.uses, Use{Schema: schema, Name: name, Creates: creates, Offset: offset})
}
