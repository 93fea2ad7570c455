package sqltables

import "strings"

type kind byte

const (
	end    kind = iota
	word        // a keyword or a bare name
	quoted      // a name in quotes
	text        // a literal in quotes
	mark        // one character of punctuation
	other       // a number or a parameter
)

type token struct {
	kind   kind
	value  string // a word in lower case; a name or text without its quotes
	offset int
	inside int // offset of what stands in quotes
}

// scanner cuts SQL of PostgreSQL and SQLite into tokens. What it does not know
// becomes punctuation: it never fails.
type scanner struct {
	sql string
	at  int
}

func scan(sql string) []token {
	s := scanner{sql: sql}
	list := make([]token, 0, len(sql)/5+4)
	for {
		t := s.next()
		if t.kind == end {
			return list
		}
		list = append(list, t)
	}
}

func (s *scanner) next() token {
	s.space()
	if s.at >= len(s.sql) {
		return token{kind: end, offset: len(s.sql)}
	}
	start := s.at
	c := s.sql[s.at]
	switch {
	case c == '\'':
		return token{text, s.quoted('\''), start, start + 1}
	case (c == 'e' || c == 'E') && s.peek(1) == '\'':
		s.at++
		return token{text, s.escaped(), start, start + 2}
	case c == '"' || c == '`':
		return token{quoted, s.quoted(c), start, start + 1}
	case c == '[' && letter(s.peek(1)) && s.bracketed() > 0:
		n := s.bracketed()
		s.at += n
		return token{quoted, s.sql[start+1 : s.at-1], start, start + 1}
	case c == '$':
		if body, ok := s.dollar(); ok {
			return token{text, body, start, start + strings.Index(s.sql[start+1:], "$") + 2}
		}
		s.at++
		s.skip(digit)
		return token{kind: other, value: s.sql[start:s.at], offset: start}
	case letter(c):
		s.skip(func(c byte) bool { return letter(c) || digit(c) || c == '$' })
		return token{kind: word, value: strings.ToLower(s.sql[start:s.at]), offset: start}
	case digit(c):
		s.skip(func(c byte) bool { return letter(c) || digit(c) || c == '.' })
		return token{kind: other, value: s.sql[start:s.at], offset: start}
	case c == '?' || (c == '@' || c == ':') && letter(s.peek(1)):
		s.at++
		s.skip(func(c byte) bool { return letter(c) || digit(c) })
		return token{kind: other, value: s.sql[start:s.at], offset: start}
	}
	s.at++
	return token{kind: mark, value: s.sql[start:s.at], offset: start}
}

func (s *scanner) peek(n int) byte {
	if s.at+n < len(s.sql) {
		return s.sql[s.at+n]
	}
	return 0
}

func (s *scanner) skip(in func(byte) bool) {
	for s.at < len(s.sql) && in(s.sql[s.at]) {
		s.at++
	}
}

// space skips white space and comments; those of PostgreSQL nest.
func (s *scanner) space() {
	for s.at < len(s.sql) {
		switch c := s.sql[s.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.at++
		case c == '-' && s.peek(1) == '-':
			s.skip(func(c byte) bool { return c != '\n' })
		case c == '/' && s.peek(1) == '*':
			depth := 0
			for s.at < len(s.sql) {
				switch {
				case s.sql[s.at] == '/' && s.peek(1) == '*':
					depth++
					s.at++
				case s.sql[s.at] == '*' && s.peek(1) == '/':
					depth--
					s.at++
				}
				s.at++
				if depth == 0 {
					break
				}
			}
		default:
			return
		}
	}
}

// quoted reads what stands in quotes, in which two quotes are one.
func (s *scanner) quoted(q byte) string {
	s.at++
	start, doubled := s.at, false
	for s.at < len(s.sql) {
		if s.sql[s.at] == q {
			if s.peek(1) != q {
				break
			}
			doubled = true
			s.at++
		}
		s.at++
	}
	inside := s.sql[start:min(s.at, len(s.sql))]
	s.at = min(s.at+1, len(s.sql))
	if doubled {
		return strings.ReplaceAll(inside, string([]byte{q, q}), string(q))
	}
	return inside
}

// escaped reads a literal with backslashes: E'…'.
func (s *scanner) escaped() string {
	s.at++
	start := s.at
	for s.at < len(s.sql) && s.sql[s.at] != '\'' {
		if s.sql[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	inside := s.sql[start:min(s.at, len(s.sql))]
	s.at = min(s.at+1, len(s.sql))
	return inside
}

// bracketed gives the length of a name in brackets, as SQLite knows it; 0 where
// the bracket is something else, such as an array.
func (s *scanner) bracketed() int {
	before := strings.TrimRight(s.sql[:s.at], " ")
	if n := len(before); n > 0 && before[n-1] != '.' && n == s.at { // array[i]
		return 0
	}
	for i := s.at + 1; i < len(s.sql); i++ {
		switch c := s.sql[i]; {
		case c == ']':
			return i + 1 - s.at
		case !letter(c) && !digit(c) && c != ' ':
			return 0
		}
	}
	return 0
}

// dollar reads $$…$$ and $tag$…$tag$.
func (s *scanner) dollar() (string, bool) {
	i := s.at + 1
	for i < len(s.sql) && (letter(s.sql[i]) || digit(s.sql[i]) && i > s.at+1) {
		i++
	}
	if i >= len(s.sql) || s.sql[i] != '$' {
		return "", false
	}
	tag := s.sql[s.at : i+1]
	body, _, closed := strings.Cut(s.sql[i+1:], tag)
	s.at = i + 1 + len(body)
	if closed {
		s.at += len(tag)
	}
	return body, true
}

// letter takes what is not ASCII for a letter, and Unknown too.
func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80 || c == Unknown[0]
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
