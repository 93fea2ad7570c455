package sqltables

import "strings"

// name reads a name with its schema at the token n ahead, and moves behind it.
// It gives nothing where there is none, and for the call of a function.
func (r *reader) name(n int) (schema, name string, offset int, ok bool) {
	r.at += n
	var parts []string
	for {
		t := r.look(0)
		if t.kind != word && t.kind != quoted {
			return "", "", 0, false
		}
		if len(parts) == 0 {
			offset = t.offset
		}
		parts = append(parts, t.value)
		r.at++
		if next := r.look(0); next.kind != mark || next.value != "." {
			break
		}
		r.at++
	}
	name = parts[len(parts)-1]
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	return schema, name, offset, true
}

// after reads the table that begins n tokens ahead. Words that may stand before
// a name are passed over.
func (r *reader) after(n int, creates bool) {
	r.at += n
	for {
		t := r.look(0)
		if t.kind != word || !before[t.value] {
			break
		}
		r.at++
	}
	if t := r.look(0); t.kind == word && (t.value == "select" || t.value == "values" || ends[t.value]) {
		r.at--
		return
	}
	schema, name, offset, ok := r.name(0)
	if ok && (creates || r.look(0).value != "(" || r.columns()) {
		r.add(schema, name, offset, creates)
	}
	r.at--
}

// before are words between a statement's verb and its table.
var before = wordSet("only if not exists lateral concurrently")

// columns tells whether the parenthesis here belongs to INSERT INTO t (…) or
// REFERENCES t (…), and not to a call.
func (r *reader) columns() bool {
	for i := 1; i <= 6; i++ {
		t := r.look(-i)
		if t.kind == word && (t.value == "into" || t.value == "references" || t.value == "copy" || t.value == "on") {
			return true
		}
		if t.kind == word && (t.value == "from" || t.value == "join") {
			return false
		}
	}
	return false
}

// table reads an item of the list after FROM.
func (r *reader) table(creates bool) {
	start := r.at
	for r.look(0).kind == word && (r.look(0).value == "only" || r.look(0).value == "lateral") {
		r.at++
	}
	if t := r.look(0); t.kind == mark && t.value == "(" {
		if inner := r.look(1); inner.kind == quoted || inner.kind == word && inner.value != "select" && inner.value != "with" && inner.value != "values" && inner.value != "update" && inner.value != "insert" && inner.value != "delete" {
			// FROM (a JOIN b …): the join is inside.
			r.scopes = append(r.scopes, scope{from: true})
			r.at++
			r.table(false)
			return
		}
		r.scopes = append(r.scopes, scope{})
		r.at++
		return
	}
	if t := r.look(0); t.kind == word && ends[t.value] {
		r.at = start
		return
	}
	schema, name, offset, ok := r.name(0)
	if !ok {
		r.at = start
		return
	}
	if t := r.look(0); t.kind == mark && t.value == "(" {
		return // a function
	}
	r.add(schema, name, offset, creates)
}

// from reads what follows FROM, and USING of DELETE and MERGE.
func (r *reader) from(verb string) {
	top := r.top()
	switch {
	case verb == "using" && (r.look(1).value == "(" && r.look(2).value != "select" || r.onIndex()):
		return // JOIN … USING (columns), CREATE INDEX … USING method
	case verb == "from" && top.function: // EXTRACT(YEAR FROM x), TRIM(BOTH FROM x)
		return
	case verb == "from" && r.wasWord(1, "distinct"): // IS DISTINCT FROM
		return
	case verb == "from" && r.wasVerb("copy"): // COPY t FROM STDIN
		return
	}
	top.from = true
	r.at++
	r.table(false)
	r.at--
}

// onIndex tells whether USING names the method of an index, a policy or a cast.
func (r *reader) onIndex() bool {
	for i := r.at - 1; i >= 0 && r.tokens[i].value != ";"; i-- {
		switch r.tokens[i].value {
		case "index", "alter", "policy", "order":
			return true
		case "delete", "merge":
			return false
		}
	}
	return false
}

// wasVerb tells whether the statement begins with a verb.
func (r *reader) wasVerb(verb string) bool {
	i := r.at
	for i > 0 && r.tokens[i-1].value != ";" {
		i--
	}
	return r.tokens[i].kind == word && r.tokens[i].value == verb
}

// update reads UPDATE t; the same word is part of locks, upserts and triggers.
func (r *reader) update() {
	if r.wasWord(1, "for", "key", "on", "do", "before", "after", "of", "or", ",", "grant") {
		return
	}
	if r.look(1).kind == word && r.look(1).value == "or" { // UPDATE OR IGNORE t
		r.at += 2
	}
	r.after(1, false)
	r.top().from = false
}

func (r *reader) command(verb string) {
	if r.at > 0 && !r.wasWord(1, ";", "explain", "(") {
		return
	}
	if next := r.look(1); next.kind == word && next.value == "table" || next.value == "(" && verb == "copy" {
		return // definition reads the rest; COPY (SELECT …)
	}
	if verb == "vacuum" || verb == "analyze" {
		if next := r.look(1); next.kind != word && next.kind != quoted || next.value == "into" {
			return
		}
	}
	r.list()
}

// list reads "a, b, c", the parenthesis before it left out.
func (r *reader) list() {
	if r.look(1).value == "(" {
		r.at++
	}
	for {
		r.after(1, false)
		if r.look(1).value != "," {
			return
		}
		r.at++
	}
}

// definition reads what follows the word TABLE.
func (r *reader) definition() {
	created := false
	for i := 1; i <= 4; i++ {
		switch t := r.look(-i); {
		case t.kind == word && t.value == "create":
			created = true
		case t.kind == word && (t.value == "temp" || t.value == "temporary"):
			r.temp()
			return
		}
	}
	switch {
	case created:
		r.after(1, true)
		if r.look(1).value == "(" && r.look(2).value == "like" {
			r.at += 2
			r.after(1, false)
		}
	case r.wasWord(1, "alter", "foreign"):
		r.after(1, false)
		if r.look(1).value == "rename" && r.look(2).value == "to" {
			r.at += 2
			r.after(1, true)
		}
	case r.wasWord(1, "drop", "truncate", "lock", "on"):
		r.list()
	case r.at == 0 || r.wasWord(1, ";", "("): // TABLE t is a query
		r.after(1, false)
	}
}

func (r *reader) temp() {
	r.at++
	for r.look(0).kind == word && before[r.look(0).value] {
		r.at++
	}
	if _, name, _, ok := r.name(0); ok {
		r.temporary[name] = true
	}
	r.at--
}

func (r *reader) named(creates bool) {
	for i := 1; i <= 3; i++ {
		if t := r.look(-i).value; creates && (t == "temp" || t == "temporary") {
			r.temp()
			return
		}
	}
	if creates && !r.wasWord(1, "create", "replace", "materialized", "temp", "temporary", "recursive") {
		return
	}
	r.after(1, creates)
}

// index reads CREATE INDEX … ON t.
func (r *reader) index() {
	if !r.wasWord(1, "create", "unique") {
		return
	}
	for i := 1; i <= 8; i++ {
		if t := r.look(i); t.kind == word && t.value == "on" {
			r.after(i+1, false)
			return
		}
	}
}

// trigger reads CREATE TRIGGER … ON t.
func (r *reader) trigger() {
	if !r.wasWord(1, "create", "constraint", "temp", "replace") {
		return
	}
	for i := 1; i <= 40 && r.look(i).kind != end; i++ {
		if t := r.look(i); t.kind == word && t.value == "on" {
			r.after(i+1, false)
			return
		}
	}
}

// grant reads GRANT … ON t and COMMENT ON COLUMN t.c is left alone.
func (r *reader) grant() {
	if !r.wasVerb("grant") && !r.wasVerb("revoke") {
		return
	}
	if t := r.look(1); t.kind == word && strings.Contains(" schema sequence function database type all table ", " "+t.value+" ") {
		return
	}
	r.list()
}

// inWith tells whether a comma stands between two common table expressions.
func (r *reader) inWith() bool {
	return r.wasWord(1, ")") && r.look(1).kind != end && r.isExpression(1)
}

// isExpression tells whether "name AS (" or "name (columns) AS (" follows.
func (r *reader) isExpression(n int) bool {
	if t := r.look(n); t.kind != word && t.kind != quoted {
		return false
	}
	i := n + 1
	if r.look(i).value == "(" {
		for r.look(i).value != ")" && r.look(i).kind != end {
			i++
		}
		i++
	}
	if t := r.look(i); t.kind != word || t.value != "as" {
		return false
	}
	i++
	for r.look(i).kind == word && (r.look(i).value == "not" || r.look(i).value == "materialized") {
		i++
	}
	return r.look(i).value == "("
}

// expression reads the name of a common table expression. Only a recursive one
// may name itself; any other is known once it is complete.
func (r *reader) expression(recursive bool) {
	if !r.isExpression(1) {
		return
	}
	name := r.look(1).value
	r.at++
	for t := r.look(1); t.value != "as"; t = r.look(1) { // its columns
		r.at++
	}
	if recursive {
		r.top().names = append(r.top().names, name)
	} else {
		r.top().pending = name
	}
}

// body tells whether the text after AS is the body of a function.
func (r *reader) body(value string) bool {
	return strings.ContainsAny(value, " \n") && r.wasVerb("create")
}

// nested reads the body of DO or of a function: its statements, and the texts of
// statements that it executes.
func (r *reader) nested(t token) {
	inner := In(t.value)
	for _, in := range scan(t.value) {
		if in.kind != text || !statement(in.value) {
			continue
		}
		for _, u := range In(in.value) {
			u.Offset += in.inside
			inner = append(inner, u)
		}
	}
	for _, u := range inner {
		if !strings.Contains(u.Name, "%") { // of format()
			u.Offset = min(u.Offset+t.inside, len(t.value)+t.inside)
			r.uses = append(r.uses, u)
		}
	}
}

func statement(s string) bool {
	first, _, more := strings.Cut(strings.TrimSpace(strings.ToLower(s)), " ")
	return more && strings.Contains(" select insert update delete create alter drop truncate with ", " "+first+" ")
}
