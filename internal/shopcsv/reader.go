package shopcsv

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Reader gives one product after the other. It holds the rows of one product,
// and a hash of each handle and of each broken row that it has seen (about 20 bytes).
type Reader struct {
	in      *records
	header  header
	digits  int
	group   *group // being read; nil: none
	missing int    // commas of the row that broke off within a quote: they come with its next lines
	torn    bool   // a row was no CSV, and no whole one has come since: what is short may be its text
	cut     bool   // a row was broken, and no whole one has come since: only then can there be text of one
	ready   []result
	seed    maphash.Seed
	seen    map[uint64]struct{} // handles that are used up
	doubts  map[uint64]struct{} // broken rows of which nobody can say whether they are any
	ended   error               // of the file, given after what is ready
}

// doubt is what is to be seen of a broken row that may be text, and may be the first
// of a product. Its other rows have the same Title, or none.
type doubt struct {
	handle string
	title  string // empty: not to be seen
}

type result struct {
	product Product
	err     error
}

// NewReader reads the line that names the columns. digits is how many decimals
// the currency of the prices has: 2 for USD. An error tells what is wrong with
// the file as a whole.
func NewReader(in io.Reader, digits int) (*Reader, error) {
	r := &Reader{in: newRecords(in), digits: digits, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, doubts: map[uint64]struct{}{}}
	var err error
	r.header, err = readHeader(r.in)
	return r, err
}

// Next gives the next product. Errors: *Refusal, after which there may be more;
// io.EOF at the end; those of the reader, after which there is nothing.
func (r *Reader) Next() (Product, error) {
	for len(r.ready) == 0 {
		if r.ended != nil {
			return Product{}, r.ended
		}
		r.step()
	}
	next := r.ready[0]
	r.ready = r.ready[1:]
	return next.product, next.err
}

// step reads one row.
func (r *Reader) step() {
	rec, err := r.in.next()
	var bad *badRecord
	switch {
	case errors.As(err, &bad):
		r.broken(bad, true)
		return
	case errors.Is(err, io.EOF):
		r.close()
		r.ended = io.EOF
		return
	case err != nil: // what was being read may be cut off
		r.group, r.ended = nil, err
		return
	}
	row := row{record: rec, header: &r.header}
	if n := len(rec.fields); n < r.header.count || strings.Join(rec.fields[r.header.count:], "") != "" {
		bad := &badRecord{line: rec.line, fields: rec.fields, reason: fmt.Sprintf("has %d columns, the first line has %d", n, r.header.count)}
		if n > 1 { // a lone word is a piece of a broken row
			bad.raw = strings.Join(rec.fields, ",")
		}
		r.broken(bad, false)
		return
	}
	r.missing, r.torn, r.cut = 0, false, false
	handle, title := strings.ToLower(row.get(colHandle)), row.get(colTitle)
	switch {
	case handle == "":
		if strings.Join(rec.fields, "") != "" { // a row of commas is as good as a blank line
			r.ready = append(r.ready, result{err: &Refusal{Line: rec.line, Reason: "the row has no Handle"}})
		}
	case r.group != nil && r.group.product.Handle == handle && !(r.group.text && title != "" && !r.doubted(handle, title)):
		r.group.add(row)
	default:
		r.open(handle, rec.line, row)
	}
}

// open begins the next product.
func (r *Reader) open(handle string, line int, first row) {
	r.close()
	key := maphash.String(r.seed, handle)
	_, again := r.seen[key]
	r.seen[key] = struct{}{}
	switch {
	case again:
		r.group = &group{product: Product{Handle: handle, Line: line}}
		r.group.refuse(line, "the Handle was further up already: rows of one product must stand together")
	case r.doubted(handle, first.get(colTitle)):
		r.group = &group{product: Product{Handle: handle, Line: line}}
		r.group.refuse(line, "a row of this Handle is broken further up: a product is taken with all its rows, or not at all")
	default:
		r.group = begin(handle, first, r.digits)
	}
}

// doubted tells whether a whole row may be of a product that began with a broken one:
// text that begins with the Handle of a product does not go on with its Title.
func (r *Reader) doubted(handle, title string) bool {
	for _, t := range []string{title, ""} {
		if _, found := r.doubts[maphash.Comparable(r.seed, doubt{handle, t})]; found {
			return true
		}
	}
	return false
}

// close hands over the product that was being read.
func (r *Reader) close() {
	if r.group == nil {
		return
	}
	p, err := r.group.finish()
	r.ready = append(r.ready, result{p, err})
	r.group = nil
}

// The length is counted beside it: as a bounded repetition of these classes it
// would take 10 MB, and a tenth of a second at the start of every process.
var handleLike = regexp.MustCompile(`^[\p{L}\p{M}\p{N}_-]+$`)

const longestHandle = 255 // letters

// broken refuses the product that a broken row belongs to. A piece of the row above,
// which was broken too, is what looks like no handle, or is too short for a row
// while commas of that one are missing: text may begin with a word and a comma. torn
// says that the row is no CSV, so that its other lines may come as rows. Their text
// can have more commas than the row lacks, so only what is surely a row, as one behind
// a whole row is, uses its Handle up: a good product may come with what a line of text
// begins with. Of the others the Title is kept in mind: a product is not taken from its
// second row on.
func (r *Reader) broken(bad *badRecord, torn bool) {
	handle := r.guess(bad.raw)
	commas := strings.Count(bad.raw, ",")
	short := r.header.count - 1 - commas
	piece := r.missing > 0 && short > 0
	text := r.torn && short > 0
	sure := !text && (torn || short <= 0 || !r.cut)
	r.torn, r.cut = torn || text, true
	switch {
	case piece:
		r.missing -= commas
	case torn:
		r.missing = max(short, 0)
	default:
		r.missing = 0
	}
	switch {
	case handle == "":
	case sure:
		r.seen[maphash.String(r.seed, handle)] = struct{}{}
	default:
		r.doubts[maphash.Comparable(r.seed, doubt{handle, r.title(bad)})] = struct{}{}
	}
	if r.group != nil && (piece || handle == "" || handle == r.group.product.Handle) {
		r.group.refuse(bad.line, "the row %s", bad.reason)
		return
	}
	if handle == "" {
		r.ready = append(r.ready, result{err: &Refusal{Line: bad.line, Reason: "the row " + bad.reason}})
		return
	}
	r.close()
	r.group = &group{product: Product{Handle: handle, Line: bad.line}, text: !sure}
	r.group.refuse(bad.line, "the row %s", bad.reason)
}

// guess gives the handle of a broken row, empty where there is none to be seen.
func (r *Reader) guess(raw string) string {
	at := r.header.at[colHandle]
	fields := strings.SplitN(raw, ",", at+2)
	if len(fields) <= at || strings.Contains(strings.Join(fields[:at], ""), `"`) && !strings.HasPrefix(raw, `"`) {
		return ""
	}
	handle := strings.ToLower(bare(fields[at]))
	if utf8.RuneCountInString(handle) > longestHandle || !handleLike.MatchString(handle) {
		return ""
	}
	return handle
}

// title gives the Title of a broken row as far as it can be seen.
func (r *Reader) title(bad *badRecord) string {
	at := r.header.at[colTitle]
	if at < len(bad.fields) {
		return strings.TrimSpace(bad.fields[at])
	}
	if fields := strings.SplitN(bad.raw, ",", at+2); at < len(fields) {
		return bare(fields[at])
	}
	return ""
}

// bare takes space and quotes off a field of a broken row.
func bare(field string) string {
	field = strings.TrimSpace(field)
	if inner, ok := strings.CutPrefix(field, `"`); ok {
		field, _ = strings.CutSuffix(inner, `"`)
	}
	return field
}
