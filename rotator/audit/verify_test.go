package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// kept is a chain in memory: what a store keeps.
type kept struct {
	records []rotator.AuditRecord
	head    rotator.AuditHead
}

func (k *kept) AuditRecords(_ context.Context, after int64, fn func(rotator.AuditRecord) error) error {
	for _, r := range k.records {
		if r.Seq > after {
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *kept) AuditHead(context.Context) (rotator.AuditHead, error) { return k.head, nil }

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func (k *kept) append(t fataler, e rotator.AuditEvent) {
	t.Helper()
	event, err := audit.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Link(k.head, noon.Add(time.Duration(k.head.Seq)*time.Second), event)
	k.records = append(k.records, r)
	k.head = rotator.AuditHead{Seq: r.Seq, Hash: r.Hash}
}

// prune removes the oldest n records as retention does.
func (k *kept) prune(t fataler, n int) {
	t.Helper()
	last := k.records[n-1]
	k.records = slices.Clone(k.records[n:])
	k.append(t, rotator.AuditEvent{Kind: rotator.AuditCheckpoint, Outcome: rotator.AuditDone,
		Removed: &rotator.AuditRemoved{Through: last.Seq, Hash: last.Hash, Count: int64(n)}})
}

// chainOf makes a chain of n records, and removes the oldest of a longer one where pruned is above zero.
func chainOf(t fataler, n, pruned int) *kept {
	t.Helper()
	k := &kept{}
	for i := range n + pruned {
		k.append(t, rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Actor: fmt.Sprint("ann-", i), Note: "wait for <us> & “them”"})
	}
	if pruned > 0 {
		k.prune(t, pruned)
	}
	return k
}

// export is the chain as JSON lines.
func (k *kept) export(t fataler) []byte {
	t.Helper()
	var out []byte
	for i := range k.records {
		out = audit.AppendLine(out, &k.records[i])
	}
	out, err := audit.AppendEnd(out, audit.End{AuditHead: k.head})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (k *kept) verify(t fataler, anchors ...rotator.AuditHead) audit.Result {
	t.Helper()
	r, err := audit.VerifyChain(context.Background(), k, nil, anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func names(r audit.Result, seq int64) bool {
	return slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Seq == seq })
}

func TestAWholeChainIsWhole(t *testing.T) {
	for _, c := range []struct{ records, pruned int }{{0, 0}, {1, 0}, {2, 0}, {50, 0}, {1, 1}, {5, 20}} {
		k := chainOf(t, c.records, c.pruned)
		fromExport, err := audit.VerifyExport(bytes.NewReader(k.export(t)))
		if err != nil {
			t.Fatal(err)
		}
		for how, r := range map[string]audit.Result{"store": k.verify(t), "export": fromExport} {
			if r.Wrong != 0 || r.Records != int64(len(k.records)) || r.Head != k.head || r.Removed != int64(c.pruned) {
				t.Errorf("%d records, %d removed, from the %s: %+v", c.records, c.pruned, how, r)
			}
		}
	}
}

// relink gives the record at i another event and a hash that fits it, as somebody does who knows how.
func (k *kept) forge(t fataler, i int) {
	t.Helper()
	c, err := audit.Decode(k.records[i].Text)
	if err != nil {
		t.Fatal(err)
	}
	event, err := audit.Encode(rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Note: "forged"})
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Link(rotator.AuditHead{Seq: c.Seq - 1, Hash: c.Prev}, c.Time(), event)
	k.records[i] = r
}

// TestEveryMutationIsFoundAndNamed changes one thing of a chain at random.
func TestEveryMutationIsFoundAndNamed(t *testing.T) {
	mutations := map[string]func(t *rapid.T, k *kept, i int) int64{
		"a byte": func(t *rapid.T, k *kept, i int) int64 {
			text := bytes.Clone(k.records[i].Text)
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
			k.records[i].Text = text
			return k.records[i].Seq
		},
		"a byte of the hash": func(t *rapid.T, k *kept, i int) int64 {
			k.records[i].Hash[rapid.IntRange(0, 31).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
			return k.records[i].Seq
		},
		"the filed time": func(_ *rapid.T, k *kept, i int) int64 {
			k.records[i].At = k.records[i].At.Add(time.Millisecond)
			return k.records[i].Seq
		},
		"forged": func(t *rapid.T, k *kept, i int) int64 {
			k.forge(t, i)
			return k.records[i].Seq
		},
		"forged with another predecessor": func(_ *rapid.T, k *kept, i int) int64 {
			r := k.records[i]
			another := map[bool]byte{true: '0', false: '1'}
			at := bytes.Index(r.Text, []byte(`"prev":"`)) + len(`"prev":"`)
			r.Text = bytes.Clone(r.Text)
			r.Text[at] = another[r.Text[at] == '1'] // than the hexadecimal digit that stands there
			r.Hash = sha256.Sum256(r.Text)
			k.records[i] = r
			return r.Seq
		},
		"deleted": func(_ *rapid.T, k *kept, i int) int64 {
			seq := k.records[i].Seq
			k.records = slices.Delete(k.records, i, i+1)
			return seq
		},
		"inserted": func(t *rapid.T, k *kept, i int) int64 {
			r := k.records[i]
			k.records = slices.Insert(k.records, rapid.IntRange(i+1, len(k.records)).Draw(t, "to"), r)
			return r.Seq
		},
		"swapped": func(t *rapid.T, k *kept, i int) int64 {
			j := (i + rapid.IntRange(1, len(k.records)-1).Draw(t, "with")) % len(k.records)
			k.records[i], k.records[j] = k.records[j], k.records[i]
			return min(k.records[i].Seq, k.records[j].Seq)
		},
	}
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				k := chainOf(t, rapid.IntRange(2, 20).Draw(t, "records"), rapid.IntRange(0, 5).Draw(t, "pruned"))
				seq := mutate(t, k, rapid.IntRange(0, len(k.records)-1).Draw(t, "record"))
				if r := k.verify(t); r.Wrong == 0 || !names(r, seq) {
					t.Errorf("record %d is wrong and not named: %v", seq, r.Findings)
				}
			})
		})
	}
}

// TestEveryChangeOfAnExportIsFound changes one byte of an export: any of them.
func TestEveryChangeOfAnExportIsFound(t *testing.T) {
	k := chainOf(t, 4, 2)
	whole := k.export(t)
	for at := range whole {
		for _, by := range []byte{1, ' ', 0x80} {
			bad := bytes.Clone(whole)
			bad[at] ^= by
			if r, err := audit.VerifyExport(bytes.NewReader(bad)); err == nil && r.Wrong == 0 && !r.Filtered {
				t.Errorf("byte %d (%q of %q) was changed by %#x and nothing is found", at, whole[at], around(whole, at), by)
			}
		}
	}
}

func around(b []byte, at int) []byte { return b[max(0, at-10):min(len(b), at+10)] }

func TestLinesOfAnExport(t *testing.T) {
	k := chainOf(t, 6, 0)
	lines := strings.SplitAfter(string(k.export(t)), "\n")
	lines = lines[:len(lines)-1]
	tests := []struct {
		name string
		from []string
		want []string
	}{
		{"one is missing", slices.Delete(slices.Clone(lines), 2, 3), []string{"record 3", "it is missing"}},
		{"some are missing", slices.Delete(slices.Clone(lines), 2, 4), []string{"record 3", "all up to record 4"}},
		{"the first is missing", lines[1:], []string{"record 1", "missing"}},
		{"the last is missing", slices.Delete(slices.Clone(lines), 5, 6), []string{"record 6", "from the end"}},
		{"the end is missing", lines[:6], []string{"record 7", "the end is missing"}},
		{"two are exchanged", []string{lines[0], lines[2], lines[1], lines[3], lines[4], lines[5], lines[6]}, []string{"record 2", "order"}},
		{"one stands there twice", slices.Insert(slices.Clone(lines), 3, lines[2]), []string{"record 3", "inserted"}},
		{"a foreign line", slices.Insert(slices.Clone(lines), 3, "hello\n"), []string{"record 4", "cannot be read"}},
		{"something behind the end", append(slices.Clone(lines), lines[0]), []string{"behind the end"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := audit.VerifyExport(strings.NewReader(strings.Join(test.from, "")))
			if err != nil {
				t.Fatal(err)
			}
			if r.Wrong != 1 {
				t.Errorf("%d things are found, want one: %v", r.Wrong, r.Findings)
			}
			for _, want := range test.want {
				if !strings.Contains(fmt.Sprint(r.Findings), want) {
					t.Errorf("%v does not say %q", r.Findings, want)
				}
			}
		})
	}
}

func TestAnchors(t *testing.T) {
	first, rewritten, pruned := chainOf(t, 10, 0), &kept{}, chainOf(t, 10, 0)
	for i := range 10 {
		rewritten.append(t, rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Note: fmt.Sprint("another story ", i)})
	}
	pruned.prune(t, 5)
	anchor := func(i int) rotator.AuditHead {
		return rotator.AuditHead{Seq: first.records[i-1].Seq, Hash: first.records[i-1].Hash}
	}
	tests := []struct {
		name   string
		chain  *kept
		anchor rotator.AuditHead
		want   string
	}{
		{"of the chain", first, anchor(4), ""},
		{"of its end", first, anchor(10), ""},
		{"of a chain that was written anew", rewritten, anchor(4), "written anew"},
		{"beyond the end", &kept{records: first.records[:7], head: anchor(7)}, anchor(9), "the chain ends before it"},
		{"of the last record that was removed", pruned, anchor(5), ""},
		{"of a record that was removed", pruned, anchor(3), "use a later one"},
		{"of a record that stayed", pruned, anchor(8), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := test.chain.verify(t, test.anchor)
			if (r.Wrong == 0) != (test.want == "") || !strings.Contains(fmt.Sprint(r.Findings), test.want) {
				t.Errorf("got %v, want %q", r.Findings, test.want)
			}
		})
	}
}

func TestAPageBeginsWhereItsAnchorEnds(t *testing.T) {
	k := chainOf(t, 10, 0)
	before := rotator.AuditHead{Seq: 4, Hash: k.records[3].Hash}
	page := &kept{records: k.records[4:], head: k.head}
	if r := page.verify(t, before); r.Wrong != 0 {
		t.Errorf("with the anchor: %v", r.Findings)
	}
	if r := page.verify(t); r.Wrong == 0 || !names(r, 1) {
		t.Errorf("without the anchor the beginning is missing, and that is not found: %v", r.Findings)
	}
}

func TestAFilteredExportIsNoProofOfWholeness(t *testing.T) {
	k := chainOf(t, 10, 0)
	var out []byte
	end, err := audit.Export(t.Context(), k, audit.Filter{Actor: "ann-[37]"}, func(r *rotator.AuditRecord) error {
		out = audit.AppendLine(out, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err = audit.AppendEnd(out, *end); err != nil {
		t.Fatal(err)
	}
	r, err := audit.VerifyExport(bytes.NewReader(out))
	if err != nil || r.Wrong != 0 || !r.Filtered || r.Records != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = audit.VerifyExport(bytes.NewReader(bytes.Replace(out, []byte("ann-3"), []byte("bob-3"), 1)))
	if err != nil || !names(r, 4) && !names(r, 1) {
		t.Errorf("a changed record in it is not found: %+v, %v", r, err)
	}
}

// TestALongChainIsVerifiedInSeconds is about the order of magnitude: record by record, and with little memory.
func TestALongChainIsVerifiedInSeconds(t *testing.T) {
	k := chainOf(t, 100_000, 0)
	start := time.Now()
	if r := k.verify(t); r.Wrong != 0 || r.Records != 100_000 {
		t.Fatalf("%+v", r)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func BenchmarkVerify(b *testing.B) {
	k := chainOf(b, 10_000, 0)
	for b.Loop() {
		if r := k.verify(b); r.Wrong != 0 {
			b.Fatal(r.Findings)
		}
	}
	b.ReportMetric(float64(b.N*10_000)/b.Elapsed().Seconds(), "records/s")
}

// FuzzVerifyExport feeds an export that somebody else made. Whatever comes in, it ends, and nothing but what was written is
// called whole.
func FuzzVerifyExport(f *testing.F) {
	whole := chainOf(f, 3, 2).export(f)
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte("ann"), []byte("bob"), 1))
	f.Add([]byte("{\"end\":{}}\n"))
	f.Add([]byte(`{"seq":9223372036854775807,"at":"2026-03-01T12:00:00.000Z","prev":"","kind":"hold","hash":""}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := audit.VerifyExport(bytes.NewReader(in))
		if err != nil || r.Wrong > 0 || r.Records == 0 {
			return
		}
		for _, line := range bytes.Split(bytes.TrimSpace(in), []byte("\n")) {
			record, end, err := audit.ParseLine(line)
			if err != nil || end == nil && sha256.Sum256(record.Text) != record.Hash {
				t.Errorf("%q passed for a record of a whole chain: %v", line, err)
			}
		}
	})
}
