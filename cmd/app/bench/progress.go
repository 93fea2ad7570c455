package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress tells on standard error what is being done: on a line that is written
// over where somebody looks, else on lines of their own.
type progress struct {
	out   io.Writer
	about string
	dirty bool
}

func (p *progress) area(name string) { p.about = name }

// say replaces what was said before.
func (p *progress) say(format string, args ...any) {
	text := p.about + ": " + fmt.Sprintf(format, args...)
	if p.about == "" {
		text = fmt.Sprintf(format, args...)
	}
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a file descriptor fits
		fmt.Fprint(p.out, "\r\x1b[K"+text)
		p.dirty = true
		return
	}
	fmt.Fprintln(p.out, text)
}

// line stays.
func (p *progress) line(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *progress) end() {
	if p.dirty {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.dirty = false
	}
}
