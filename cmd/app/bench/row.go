package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Row is one line of the table.
type Row struct {
	Area  string  `json:"area"`
	What  string  `json:"what"`
	Unit  string  `json:"unit"`
	Ours  float64 `json:"ours"`
	Limit float64 `json:"limit,omitempty"` // 0: there is none to measure
	Is    string  `json:"limit_is,omitempty"`
	Ratio float64 `json:"ratio,omitempty"` // median over the rounds of ours to the limit; 0 without a limit
	Bar   *Bar    `json:"bar,omitempty"`   // nil: for information
	Pass  *bool   `json:"pass,omitempty"`
}

// Bar is what a row must reach.
type Bar struct {
	Of    string  `json:"of"` // "ratio" or "ours"
	Sense string  `json:"sense"`
	Value float64 `json:"value"`
}

const (
	atLeast = "≥"
	atMost  = "≤"
)

func ratioAtLeast(v float64) *Bar { return &Bar{"ratio", atLeast, v} }
func ratioAtMost(v float64) *Bar  { return &Bar{"ratio", atMost, v} }
func oursAtLeast(v float64) *Bar  { return &Bar{"ours", atLeast, v} }
func oursAtMost(v float64) *Bar   { return &Bar{"ours", atMost, v} }

// judge fills in the ratio, where the rounds gave none, and the verdict.
func (r *Row) judge() {
	if r.Ratio == 0 && r.Limit != 0 {
		r.Ratio = r.Ours / r.Limit
	}
	if r.Bar == nil {
		return
	}
	value := r.Ours
	if r.Bar.Of == "ratio" {
		value = r.Ratio
	}
	// NaN passes neither.
	pass := r.Bar.Sense == atLeast && value >= r.Bar.Value || r.Bar.Sense == atMost && value <= r.Bar.Value
	r.Pass = &pass
}

func (r Row) ours() string { return number(r.Ours) + " " + r.Unit }

func (r Row) limit() string {
	if r.Limit == 0 {
		return "–"
	}
	return number(r.Limit) + " " + r.Unit
}

func (r Row) ratio() string {
	if r.Limit == 0 {
		return "–"
	}
	return number(r.Ratio) + "×"
}

func (r Row) bar() string {
	switch {
	case r.Bar == nil:
		return ""
	case r.Bar.Of == "ratio":
		return r.Bar.Sense + " " + number(r.Bar.Value) + "×"
	}
	return r.Bar.Sense + " " + number(r.Bar.Value) + " " + r.Unit
}

func (r Row) mark() string {
	switch {
	case r.Pass == nil:
		return ""
	case *r.Pass:
		return "pass"
	}
	return "MISS"
}

// text is the row on one line, for progress.
func (r Row) text() string {
	s := fmt.Sprintf("%s, %s: %s", r.Area, r.What, r.ours())
	if r.Limit != 0 {
		s += fmt.Sprintf(", %s of %s (%s)", r.ratio(), r.limit(), r.Is)
	}
	if r.Bar != nil {
		s += fmt.Sprintf(", bar %s: %s", r.bar(), r.mark())
	}
	return s
}

// number shows three digits that count, and thousands in groups.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "?"
	case a >= 999.5:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	}
	return trim(strconv.FormatFloat(v, 'f', 2, 64))
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }
