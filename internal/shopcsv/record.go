package shopcsv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of one record, so that a lost quote does not swallow the whole file.
const (
	maxRecord = 1 << 20 // bytes
	maxFields = 1000
)

// record is one row, which may span lines.
type record struct {
	line   int // of its first character, from 1
	fields []string
}

// badRecord is a row that is no CSV.
type badRecord struct {
	line   int
	raw    string   // its first line, or the beginning of it
	fields []string // before the place where it is broken
	reason string
}

func (e *badRecord) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

// records splits a file into rows as RFC 4180 says: fields separated by commas,
// optionally in double quotes, in which commas, line breaks and doubled quotes
// may stand; rows end with LF or CRLF; blank lines are left out.
//
// Unlike encoding/csv it goes on after a broken row with the very next line, so
// that a quote which is never closed costs one row and not all rows after it.
type records struct {
	in     *bufio.Reader
	line   int      // number of the next line
	ahead  []string // lines read while a broken row was tried, nearest last
	failed error    // of the reader, after which there is nothing
}

var errLong = fmt.Errorf("has a line longer than %d KiB", maxRecord>>10)

func newRecords(in io.Reader) *records {
	r := &records{in: bufio.NewReaderSize(in, 64<<10), line: 1}
	if mark, err := r.in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.in.Discard(3) // what was peeked can be discarded
	}
	return r
}

// next gives the next row. Errors: *badRecord, after which there may be more;
// io.EOF; those of the reader.
func (r *records) next() (record, error) {
	for {
		start := r.line
		line, err := r.readLine()
		if errors.Is(err, errLong) {
			return record{}, &badRecord{line: start, raw: line, reason: err.Error()}
		}
		if err != nil {
			return record{}, err
		}
		if chomp(line) == "" {
			continue
		}
		return r.parse(start, line)
	}
}

// parse reads the row that begins with the given line.
func (r *records) parse(start int, first string) (record, error) {
	rec := record{line: start}
	var lines []string // those after the first
	var quoted strings.Builder
	fail := func(reason string) (record, error) {
		for i := len(lines) - 1; i >= 0; i-- {
			r.ahead = append(r.ahead, lines[i])
		}
		r.line -= len(lines)
		return record{}, &badRecord{line: start, raw: first, fields: rec.fields, reason: reason}
	}
	rest, size := first, len(first)
	for {
		if len(rec.fields) == maxFields {
			return fail(fmt.Sprintf("has more than %d columns", maxFields))
		}
		if !strings.HasPrefix(rest, `"`) {
			field, after, more := strings.Cut(rest, ",")
			if !more {
				field = chomp(rest)
			}
			if strings.Contains(field, `"`) {
				return fail(`has a quote inside a field: put the field in quotes and double the quote inside ("")`)
			}
			rec.fields = append(rec.fields, field)
			if !more {
				return rec, nil
			}
			rest = after
			continue
		}
		rest = rest[1:]
		quoted.Reset()
		for {
			inside, after, closed := strings.Cut(rest, `"`)
			quoted.WriteString(inside)
			if closed && strings.HasPrefix(after, `"`) {
				quoted.WriteByte('"')
				rest = after[1:]
				continue
			}
			if closed {
				rest = after
				break
			}
			more, err := r.readLine()
			if errors.Is(err, io.EOF) {
				return fail("opens a quote that is never closed")
			}
			if errors.Is(err, errLong) {
				return fail("opens a quote, and " + err.Error())
			}
			if err != nil {
				return record{}, err
			}
			lines, rest, size = append(lines, more), more, size+len(more)
			if size > maxRecord {
				return fail(fmt.Sprintf("opens a quote that is not closed within %d KiB", maxRecord>>10))
			}
		}
		rec.fields = append(rec.fields, strings.ReplaceAll(quoted.String(), "\r\n", "\n"))
		switch {
		case strings.HasPrefix(rest, ","):
			rest = rest[1:]
		case chomp(rest) == "":
			return rec, nil
		default:
			return fail("has text after a closing quote: double a quote that is meant as text (\"\")")
		}
	}
}

// chomp takes the line break off.
func chomp(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }

// readLine gives the next line with its line break. errLong comes with the
// beginning of the line, and the rest of it is gone.
func (r *records) readLine() (string, error) {
	if n := len(r.ahead); n > 0 {
		line := r.ahead[n-1]
		r.ahead = r.ahead[:n-1]
		r.line++
		return line, nil
	}
	if r.failed != nil {
		return "", r.failed
	}
	var line []byte
	tooLong := false
	for {
		part, err := r.in.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > maxRecord; !tooLong {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			r.failed = io.EOF
			if len(line) == 0 {
				return "", io.EOF
			}
		case err != nil:
			r.failed = err
			return "", err
		}
		r.line++
		if tooLong {
			return string(line), errLong
		}
		return string(line), nil
	}
}
