package engine

import (
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/rotatord/rotatord/rotator"
)

// memory is what a scan remembers of the one before: 32 bytes a user and 16 a key, never the inventory itself. It lets a
// scan that finds nothing new write nothing.
type memory struct {
	gen   uint32
	epoch uint64 // of the policies that the sums were made with
	since uint32 // the scan that the epoch began with: what users were given before it is void
	users map[uint64]userMark
	keys  map[uint64]keyMark
	sets  [][]*rotator.Policy // distinct lists of policies that a user can fall under
	index map[string]uint32   // where a list stands in sets
	drops int                 // complete scans in a row that lacked too many keys to be believed
	whole uint32              // the latest complete scan that was believed
}

type userMark struct {
	sum    uint64
	gen    uint32
	set    uint32 // index into sets
	active bool
}

type keyMark struct {
	sum     uint64
	gen     uint32
	judged  bool // managed is known; it is not for what was recalled from the journal
	managed bool
}

// idSeed makes ids into map keys. It lives as long as the process; nothing made with it is stored.
var idSeed = maphash.MakeSeed()

func idOf(id string) uint64 { return maphash.String(idSeed, id) }

func newMemory() *memory {
	return &memory{users: map[uint64]userMark{}, keys: map[uint64]keyMark{}, index: map[string]uint32{}}
}

// begin starts a new scan under the policies. When they changed, every sum changes with them, and each user's list is
// made anew.
func (m *memory) begin(policies []*rotator.Policy) {
	m.gen++
	if epoch := epochOf(policies); epoch != m.epoch {
		m.epoch, m.since = epoch, m.gen
		m.sets, m.index = nil, map[string]uint32{}
	}
}

// epochOf is a hash of everything in the policies that a stored key depends on.
func epochOf(policies []*rotator.Policy) uint64 {
	h := xxhash.New()
	enc := json.NewEncoder(h)
	for _, p := range policies {
		rule := *p
		rule.Window, rule.Labels = nil, nil
		_ = enc.Encode(rule) // strings, numbers and lists: it cannot fail
	}
	return h.Sum64()
}

// candidates returns the policies that select the user, as an index into sets.
func (m *memory) candidates(provider string, u rotator.ServiceUser, policies []*rotator.Policy) uint32 {
	var list []*rotator.Policy
	mark := make([]byte, len(policies))
	for i, p := range policies {
		if p.SelectsUser(provider, u) {
			list = append(list, p)
			mark[i] = 1
		}
	}
	if i, ok := m.index[string(mark)]; ok {
		return i
	}
	i := uint32(len(m.sets)) //nolint:gosec // one for each distinct list of policies
	m.sets = append(m.sets, list)
	m.index[string(mark)] = i
	return i
}

// tally counts what a scan did not show.
type tally struct {
	unseen         int // whatever is in memory
	counted, total int // of these and of all, what the scan before is known to have shown
}

func (m *memory) unseenKeys() tally {
	var t tally
	for _, k := range m.keys {
		t.add(k.gen == m.gen, k.sum != 0)
	}
	return t
}

func (m *memory) unseenUsers() tally {
	var t tally
	for _, u := range m.users {
		t.add(u.gen == m.gen, true)
	}
	return t
}

func (t *tally) add(seen, counts bool) {
	if !seen {
		t.unseen++
	}
	if counts {
		t.total++
		if !seen {
			t.counted++
		}
	}
}

// doubt returns why the answer is rather taken for a fault.
func (t tally) doubt(what string) error {
	if t.total <= 1 || float64(t.counted) <= droppedShare*float64(t.total) {
		return nil
	}
	return rotator.NewFault("scan", rotator.Invalid,
		"%w: the provider listed %d of the %d %s that it listed before and gave no error; taking that for a fault, not for deletions",
		rotator.ErrInventoryDropped, t.total-t.counted, t.total, what)
}

// hasher makes sums without allocating.
type hasher struct{ buf []byte }

func (h *hasher) text(s string) *hasher {
	h.buf = append(binary.AppendUvarint(h.buf, uint64(len(s))), s...)
	return h
}

func (h *hasher) number(n uint64) *hasher {
	h.buf = binary.AppendUvarint(h.buf, n)
	return h
}

func (h *hasher) time(t time.Time) *hasher {
	if t.IsZero() {
		return h.number(0)
	}
	return h.number(uint64(t.UnixMilli()))
}

func (h *hasher) sum() uint64 {
	s := xxhash.Sum64(h.buf)
	h.buf = h.buf[:0]
	return s
}

func (h *hasher) user(epoch uint64, u rotator.ServiceUser) uint64 {
	active := uint64(0)
	if u.Active {
		active = 1
	}
	return h.number(epoch).text(u.ID).text(u.Name).text(u.Email).text(u.Login).number(active).sum()
}

// lastUsedStep is how coarse the stored last-used time is. A key in use changes it all the time; the evidence before a
// revocation is always asked for afresh, so what is stored only has to serve reports.
const lastUsedStep = time.Hour

func (h *hasher) key(user uint64, k rotator.Key) uint64 {
	h.number(user).text(k.ID).text(k.UserID).text(k.Name).text(string(k.State)).text(k.Restriction).time(k.Created).time(k.Expires)
	if !k.LastUsed.IsZero() {
		// Each key's hours begin at a minute of its own, so that the fleet is not written all at once.
		offset := idOf(k.ID) % uint64(lastUsedStep/time.Second)
		h.number((uint64(k.LastUsed.Unix()) + offset) / uint64(lastUsedStep/time.Second)) //nolint:gosec // only its bits count
	}
	return h.sum()
}

// drawOf is a key's draw from [0, 1) for its jitter: a hash of what names it, so that it is the same whenever and
// wherever it is drawn.
func drawOf(provider string, k rotator.Key) float64 {
	var h hasher
	return float64(h.text(provider).text(k.UserID).text(k.ID).sum()>>11) / (1 << 53)
}
