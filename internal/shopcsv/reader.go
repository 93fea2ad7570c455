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
// and a hash of each handle it has seen (about 20 bytes).
type Reader struct {
	in      *records
	header  header
	digits  int
	group   *group // being read; nil: none
	missing int    // commas of the row that broke off within a quote: they come with its next lines
	torn    bool   // a row was no CSV, and no whole one has come since: what is short may be its text
	ready   []result
	seed    maphash.Seed
	seen    map[uint64]struct{}
	ended   error // of the file, given after what is ready
}

type result struct {
	product Product
	err     error
}

// NewReader reads the line that names the columns. digits is how many decimals
// the currency of the prices has: 2 for USD. An error tells what is wrong with
// the file as a whole.
func NewReader(in io.Reader, digits int) (*Reader, error) {
	r := &Reader{in: newRecords(in), digits: digits, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
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
		bad := &badRecord{line: rec.line, reason: fmt.Sprintf("has %d columns, the first line has %d", n, r.header.count)}
		if n > 1 { // a lone word is a piece of a broken row
			bad.raw = strings.Join(rec.fields, ",")
		}
		r.broken(bad, false)
		return
	}
	r.missing, r.torn = 0, false
	handle := strings.ToLower(row.get(colHandle))
	switch {
	case handle == "":
		if strings.Join(rec.fields, "") != "" { // a row of commas is as good as a blank line
			r.ready = append(r.ready, result{err: &Refusal{Line: rec.line, Reason: "the row has no Handle"}})
		}
	case r.group != nil && r.group.product.Handle == handle && !(r.group.text && row.get(colTitle) != ""):
		r.group.add(row)
	default:
		r.open(handle, rec.line, row)
	}
}

// open begins the next product.
func (r *Reader) open(handle string, line int, first row) {
	r.close()
	key := maphash.String(r.seed, handle)
	if _, again := r.seen[key]; again {
		r.group = &group{product: Product{Handle: handle, Line: line}}
		r.group.refuse(line, "the Handle was further up already: rows of one product must stand together")
		return
	}
	r.seen[key] = struct{}{}
	r.group = begin(handle, first, r.digits)
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
// can have more commas than the row lacks, so only what is surely a row uses its
// Handle up: a good product may come with what a line of text begins with.
func (r *Reader) broken(bad *badRecord, torn bool) {
	handle := r.guess(bad.raw)
	commas := strings.Count(bad.raw, ",")
	short := r.header.count - 1 - commas
	piece := r.missing > 0 && short > 0
	text := r.torn && short > 0
	r.torn = torn || text
	switch {
	case piece:
		r.missing -= commas
	case torn:
		r.missing = max(short, 0)
	default:
		r.missing = 0
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
	if !text && (torn || short <= 0) {
		r.seen[maphash.String(r.seed, handle)] = struct{}{}
	}
	r.group = &group{product: Product{Handle: handle, Line: bad.line}, text: text && !torn}
	r.group.refuse(bad.line, "the row %s", bad.reason)
}

// guess gives the handle of a broken row, empty where there is none to be seen.
func (r *Reader) guess(raw string) string {
	at := r.header.at[colHandle]
	fields := strings.SplitN(raw, ",", at+2)
	if len(fields) <= at || strings.Contains(strings.Join(fields[:at], ""), `"`) && !strings.HasPrefix(raw, `"`) {
		return ""
	}
	handle := strings.ToLower(strings.TrimSpace(chomp(fields[at])))
	if inner, ok := strings.CutPrefix(handle, `"`); ok {
		handle, _ = strings.CutSuffix(inner, `"`)
	}
	if utf8.RuneCountInString(handle) > longestHandle || !handleLike.MatchString(handle) {
		return ""
	}
	return handle
}
