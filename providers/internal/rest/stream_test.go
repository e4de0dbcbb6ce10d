package rest

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/rotator"
)

type item struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func TestUnreadable(t *testing.T) {
	for name, want := range map[string]struct {
		body string
		kind rotator.Kind
	}{
		"nothing":                   {"", rotator.Transient},
		"cut amid the list":         {`{"api_keys":[{"id":1,"user":{"id":1}}`, rotator.Transient},
		"cut amid an element":       {`{"api_keys":[{"id":1`, rotator.Transient},
		"cut before the last brace": {`{"api_keys":[]`, rotator.Transient},
		"a web page":                {"<html>", rotator.Invalid},
		"another object":            {`{}`, rotator.Invalid},
		"null":                      {`null`, rotator.Invalid},
		"a list of nothing":         {`{"api_keys":null}`, rotator.Invalid},
		"the list twice":            {`{"api_keys":[],"api_keys":[]}`, rotator.Invalid},
		"something after the end":   {`{"api_keys":[]} {}`, rotator.Invalid},
		"an id that is text":        {`{"api_keys":[{"id":"x"}]}`, rotator.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			l := &List[item]{Name: "api_keys", Visit: func(*item) error { return nil }}
			err := l.Read(strings.NewReader(want.body))
			if err == nil {
				t.Fatal("was read without an error")
			}
			if f := Unreadable("GET /key", err); f.Kind != want.kind {
				t.Errorf("got %v, want kind %s", f, want.kind)
			}
		})
	}
}

func TestBoundedBody(t *testing.T) {
	for size, want := range map[int]error{9: nil, 10: nil, 11: errTooLarge} {
		b := &boundedBody{body: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10, ctx: t.Context(), finish: func() {}}
		if _, err := io.ReadAll(b); !errors.Is(err, want) {
			t.Errorf("%d bytes of 10: got %v, want %v", size, err, want)
		}
	}
}

type position struct {
	Total int `json:"total"`
}

func TestListsOfEveryShape(t *testing.T) {
	const bare, embedded = "", "_embedded.users"
	for _, c := range []struct {
		name, list string
		optional   bool
		body       string
		want       string // the ids, or what the error says
		total      int
	}{
		{"in an object", "users", false, `{"x":{"users":[{"id":9}]},"users":[{"id":1},{"id":2}],"page":{"total":2}}`, "1 2", 2},
		{"after its page", "users", false, `{"page":{"total":2},"users":[{"id":1},{"id":2}]}`, "1 2", 2},
		{"bare", bare, false, `[{"id":1},{"id":2}]`, "1 2", 0},
		{"bare and empty", bare, false, ` [] `, "", 0},
		{"bare, but an object", bare, false, `{"error":"x"}`, "a bracket in place of [", 0},
		{"bare, with something after it", bare, false, `[] []`, "follows", 0},
		{"bare and cut", bare, false, `[{"id":1}`, "EOF", 0},
		{"nested", embedded, false, `{"_links":{"self":{}},"_embedded":{"roles":[1],"users":[{"id":1},{"id":2}]},"page":{"total":2}}`, "1 2", 2},
		{"nested and left out", embedded, true, `{"page":{"total":0}}`, "", 0},
		{"nested in nothing", embedded, true, `{"_embedded":{},"page":{"total":0}}`, "", 0},
		{"nested and missing", embedded, false, `{"page":{"total":0}}`, `there is no "_embedded.users"`, 0},
		{"nested twice", embedded, false, `{"_embedded":{"users":[]},"_embedded":{"users":[]},"page":{}}`, "comes twice", 0},
		{"nested in an array", embedded, false, `{"_embedded":[]}`, "in place of {", 0},
		{"without its page", "users", false, `{"users":[]}`, `there is no "page"`, 0},
		{"with a page of nothing", "users", false, `{"users":[],"page":null}`, `there is no "page"`, 0},
		{"with two pages", "users", false, `{"page":{},"users":[],"page":{}}`, "comes twice", 0},
		{"with a page of another type", "users", false, `{"page":[],"users":[]}`, "cannot unmarshal", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ids []string
			var page position
			l := &List[item]{Name: c.list, Optional: c.optional, Visit: func(i *item) error {
				ids = append(ids, strconv.FormatInt(i.ID, 10))
				return nil
			}}
			if c.list != bare {
				l.Beside = []Member{{Name: "page", Into: &page}}
			}
			err := l.Read(strings.NewReader(c.body))
			got := strings.Join(ids, " ")
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) || c.want == "" && got != "" || page.Total != c.total {
				t.Errorf("got %q and a total of %d, want %q and %d", got, page.Total, c.want, c.total)
			}
		})
	}
}

func TestAnElementInheritsNothing(t *testing.T) {
	var got []item
	l := &List[item]{Visit: func(i *item) error {
		got = append(got, *i)
		return nil
	}}
	if err := l.Read(strings.NewReader(`[{"id":1,"name":"x"},{"id":2}]`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]item{{1, "x"}, {2, ""}}, got); diff != "" {
		t.Errorf("elements differ (-want +got):\n%s", diff)
	}
}

func FuzzList(f *testing.F) {
	f.Add("users", `{"page":{"total":1},"users":[{"id":1}]}`)
	f.Add("", `[{"id":1}]`)
	f.Add("_embedded.users", `{"_embedded":{"users":[{"id":1}]}}`)
	f.Add("a.b", `{"a":{"b":[]},"a":null}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		visited := 0
		l := &List[item]{Name: name, Visit: func(*item) error {
			visited++
			return nil
		}}
		if err := l.Read(strings.NewReader(body)); err == nil && (visited != l.Seen || !l.found) {
			t.Errorf("visited %d of %d; the list was there: %v", visited, l.Seen, l.found)
		}
	})
}

func FuzzReadObject(f *testing.F) {
	f.Add(`{"id":1}`)
	f.Add(`{"id":1} {}`)
	f.Fuzz(func(t *testing.T, body string) {
		var once, twice item
		if ReadObject(strings.NewReader(body), &once) == nil && ReadObject(strings.NewReader(body+body), &twice) == nil {
			t.Errorf("%q is one object, and written twice it is one still", body)
		}
	})
}
