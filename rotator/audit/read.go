package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/rotatord/rotatord/rotator"
)

// longestLine bounds one line of an export: notes are cut, and all else is short.
const longestLine = 1 << 20

// VerifyExport verifies an export as it comes. The error is about the reading; what is wrong with the chain is in the
// result.
func VerifyExport(in io.Reader, anchors ...rotator.AuditHead) (Result, error) {
	v := NewVerifier(anchors...)
	var end *End
	lines := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return v.Finish(end), nil
		}
		if err != nil {
			return v.Finish(end), fmt.Errorf("line %d: %w", n, err)
		}
		if end != nil && !end.More {
			v.Unreadable(fmt.Errorf("line %d stands behind the end of the export", n))
			continue
		}
		if end, err = v.addLine(line, end); err != nil {
			return v.Finish(end), fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// addLine takes one line. An end with more behind it is that of a page, and counts only as the last line.
func (v *Verifier) addLine(line []byte, end *End) (*End, error) {
	r, e, err := ParseLine(line)
	switch {
	case err != nil:
		v.Unreadable(err)
		return end, nil
	case e == nil:
		v.Add(r)
		return nil, nil
	case e.Error != "":
		return e, fmt.Errorf("the export ends with an error and is not complete: %s", e.Error)
	default:
		return e, nil
	}
}

// readLine returns the next line without its end. A line that nobody writes is cut off.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, more, err := in.ReadLine()
		if err != nil {
			return nil, err
		}
		if len(line)+len(part) <= longestLine {
			line = append(line, part...)
		}
		if !more {
			return line, nil
		}
	}
}
