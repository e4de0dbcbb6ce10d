package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// sighting is what a scan saw of the service users that must exist: the ids of those that may be the one, by its label.
type sighting struct {
	wanted []rotator.Provision
	// withdrawn are no longer declared, while it is not known whether they were created.
	withdrawn []rotator.Provision
	seen      map[string][]string
}

// expect prepares a scan to look for the account's declared service users and for those that somebody asked for.
func (e *Engine) expect(ctx context.Context, a *account) (*sighting, error) {
	known, err := e.store.Provisions(ctx, a.name)
	if err != nil {
		return nil, journalError{err}
	}
	s := &sighting{seen: map[string][]string{}}
	declared := a.conf.Load().Declared
	for _, d := range declared {
		p := rotator.Provision{DeclaredUser: d, State: rotator.ProvisionWanted, At: e.clock.Now()}
		if i := slices.IndexFunc(known, func(k rotator.Provision) bool { return k.Label == d.Label }); i >= 0 {
			p = known[i]
			p.DeclaredUser = d                     // the configuration may have changed since
			p.Spec.KeyName = known[i].Spec.KeyName // what was asked of the provider has not
		}
		s.wanted = append(s.wanted, p)
	}
	for _, p := range known {
		if slices.ContainsFunc(declared, func(d rotator.DeclaredUser) bool { return d.Label == p.Label }) {
			continue
		}
		if undecided(p) && p.Actor == "" {
			s.withdrawn = append(s.withdrawn, p)
			continue
		}
		done := p.State == rotator.ProvisionVanished || p.State == rotator.ProvisionPresent && p.Trouble == ""
		if p.Actor != "" && done && e.clock.Now().Before(p.At.Add(toldFor)) {
			continue // whoever asked for it may still look what became of it
		}
		if p.Actor == "" || done {
			if err := e.store.ForgetProvision(ctx, a.name, p.Label); err != nil {
				return nil, journalError{err}
			}
			continue // no longer declared, or done as asked
		}
		s.wanted = append(s.wanted, p)
	}
	return s, nil
}

// undecided reports whether a create call was made whose outcome is not known: the service user may exist, with a key whose
// secret nobody has.
func undecided(p rotator.Provision) bool {
	return p.Spec.KeyName != "" && p.State != rotator.ProvisionPresent && p.State != rotator.ProvisionVanished
}

// toldFor is how long it can be seen what became of a service user that somebody asked for.
const toldFor = 30 * 24 * time.Hour

// notice notes a service user that the scan sees. One that was recognised before is known by its id, until it vanished:
// then somebody may have made it anew.
func (s *sighting) notice(u rotator.ServiceUser) {
	for _, some := range [][]rotator.Provision{s.wanted, s.withdrawn} {
		for _, p := range some {
			byName := p.UserID == "" || p.State == rotator.ProvisionVanished
			if p.UserID == u.ID || byName && p.Matches(u) {
				s.seen[p.Label] = append(s.seen[p.Label], u.ID)
			}
		}
	}
}

// provision brings about the service users that must exist, after a complete scan that began at began.
func (e *Engine) provision(ctx context.Context, a *account, s *sighting, began time.Time) error {
	for _, p := range s.withdrawn {
		if err := e.settle(ctx, a, &p, s.seen[p.Label], began); err != nil {
			return err
		}
	}
	allowed, err := e.mayCreate(ctx, a, s, began)
	if err != nil {
		return err
	}
	for _, p := range s.wanted {
		if e.interrupted(ctx, a) {
			return nil // the next scan goes on
		}
		before := p.State
		if err := e.provisionOne(ctx, a, &p, s.seen[p.Label], allowed, began); err != nil {
			return err
		}
		if before != p.State || p.Trouble != "" {
			log := e.log.With(provisionFields(p)...)
			if p.Trouble != "" {
				log.Warn("a declared service user is not as it should be", zap.String("state", string(p.State)), zap.String("trouble", p.Trouble))
			} else {
				log.Info("a declared service user is in place", zap.String("state", string(p.State)))
			}
		}
	}
	return nil
}

func (e *Engine) interrupted(ctx context.Context, a *account) bool {
	_, paused := a.paused(e.clock.Now())
	return paused || ctx.Err() != nil
}

// mayCreate is the blast-radius cap on service users: many that are missing at once look like the wrong account. It
// returns why none may be created; empty if they may.
func (e *Engine) mayCreate(ctx context.Context, a *account, s *sighting, now time.Time) (string, error) {
	missing := 0
	for _, p := range s.wanted {
		if len(s.seen[p.Label]) == 0 && p.UserID == "" {
			missing++
		}
	}
	a.missingUsers.Store(0)
	if missing <= e.setup.Load().Cap.AlwaysAllowed {
		return "", nil
	}
	state := a.snapshot()
	if now.Before(state.ApprovedUntil) && state.Approved >= missing {
		return "", asJournal(e.update(ctx, a, func(s *rotator.ProviderState) { s.Approved = max(0, s.Approved-missing) }))
	}
	a.missingUsers.Store(int64(missing)) // for somebody to approve
	return fmt.Sprintf("%d declared service users are missing at once, and limits.always_allowed lets %d be made without asking; if this is the right account, "+
		"approve them with: rotatord approve %s", missing, e.setup.Load().Cap.AlwaysAllowed, a.name), nil
}

// provisionOne takes one declared service user a step further and stores where it stands.
func (e *Engine) provisionOne(ctx context.Context, a *account, p *rotator.Provision, seen []string, forbidden string, now time.Time) error {
	stored := *p
	var err error
	switch {
	case len(seen) > 1:
		p.Trouble = fmt.Sprintf("service users %s could all be it; make the declaration tell them apart", strings.Join(seen, ", "))
	case p.State == rotator.ProvisionWanted && p.UserID != "" && recent(a, p, now):
		p.Trouble = wentWithKey
	case len(seen) == 1:
		err = e.present(ctx, a, p, seen[0], now)
	case p.UserID != "" && (undecided(*p) || recent(a, p, now)):
		p.Trouble = fmt.Sprintf("it was created as %s, and the provider does not list it yet", p.UserID)
	case p.State == rotator.ProvisionPresent || p.State == rotator.ProvisionVanished:
		p.Reach(rotator.ProvisionVanished, now)
		p.Trouble = fmt.Sprintf("it was there as %s and a complete scan does not show it; it is not made again by itself. Make it again with: rotatord users create, "+
			"or take it out of service_users", p.UserID)
	case p.State == rotator.ProvisionIntended && recent(a, p, now):
		p.Trouble = "creating it was begun and its answer was lost; the next scan shows what became of it"
	case forbidden != "":
		p.Trouble = forbidden
	default:
		return e.create(ctx, a, p, now)
	}
	if err != nil || reflect.DeepEqual(stored, *p) {
		return err
	}
	return asJournal(e.store.SaveProvision(ctx, *p))
}

// recent reports whether the provider need not list yet what was made when the state was reached.
func recent(a *account, p *rotator.Provision, now time.Time) bool {
	return now.Before(p.At.Add(2 * a.provider().Limits().Propagation))
}

// settle finds out whether a service user that is no longer declared was created, revokes the key that came with it, and
// forgets it.
func (e *Engine) settle(ctx context.Context, a *account, p *rotator.Provision, seen []string, now time.Time) error {
	switch {
	case len(seen) == 1:
		p.UserID = seen[0]
		if err := e.clearLostKey(ctx, a, p); err != nil {
			p.Trouble = err.Error()
			return cmp.Or(asJournalOnly(err), asJournal(e.store.SaveProvision(ctx, *p)))
		}
	case p.UserID != "" || recent(a, p, now):
		return nil
	}
	return asJournal(e.store.ForgetProvision(ctx, a.name, p.Label))
}

// present is for a service user that is there: its drift is looked at, and its first key is brought about.
func (e *Engine) present(ctx context.Context, a *account, p *rotator.Provision, userID string, now time.Time) error {
	lost := undecided(*p)
	p.UserID, p.Trouble = userID, ""
	if lost {
		if err := e.clearLostKey(ctx, a, p); err != nil {
			p.Trouble = err.Error()
			return asJournalOnly(err)
		}
		if e.wentWithItsKey(ctx, a, p) {
			p.Reach(rotator.ProvisionWanted, e.clock.Now())
			p.Trouble, p.Spec.KeyName, p.AskedAt = wentWithKey, "", time.Time{}
			return nil // it is made again as soon as its end is seen everywhere
		}
	}
	p.Reach(rotator.ProvisionPresent, now)
	p.Spec.KeyName, p.AskedAt = "", time.Time{}
	if err := e.drift(ctx, a, p); err != nil {
		p.Trouble = err.Error()
	}
	if err := e.firstKey(ctx, a, p); err != nil {
		p.Trouble = cmp.Or(p.Trouble, err.Error())
		return asJournalOnly(err)
	}
	return nil
}

// asJournalOnly lets errors of the journal through; the others, and what the journal refuses because it conflicts, are
// trouble of the one service user.
func asJournalOnly(err error) error {
	if isJournal(err) && rotator.KindOf(err) != rotator.Conflict {
		return err
	}
	return nil
}

// drift compares the service user with its declaration and, if told to, sets it back.
func (e *Engine) drift(ctx context.Context, a *account, p *rotator.Provision) error {
	p.Drift = nil
	directory, ok := a.provider().(rotator.Directory)
	if !ok || len(p.Spec.Attributes()) == 0 {
		return nil
	}
	limited, cancel := patient(ctx)
	defer cancel()
	have, err := directory.ShowUser(limited, p.UserID)
	e.note(ctx, a, err)
	if err != nil {
		return fmt.Errorf("comparing it with its declaration: %w", err)
	}
	if p.Drift = rotator.Drift(p.Spec, have); len(p.Drift) == 0 || !p.FixDrift {
		return nil
	}
	err = directory.UpdateUser(limited, p.UserID, p.Spec)
	e.noteWrite(ctx, a, err)
	if err != nil {
		return fmt.Errorf("setting it back to its declaration: %w", err)
	}
	e.log.Warn("a service user was set back to its declaration", append(provisionFields(*p), zap.Stringers("was", p.Drift))...)
	e.recordRepair(ctx, p, fmt.Sprint(p.Drift))
	p.Drift = nil
	return nil
}

// create makes the service user, in one call, right after the intent was committed; the first key that comes with it goes
// the way of every new key from there.
func (e *Engine) create(ctx context.Context, a *account, p *rotator.Provision, now time.Time) error {
	directory, ok := a.provider().(rotator.Directory)
	if !ok {
		return e.failedToCreate(ctx, p, errNoDirectory, now)
	}
	if skew := skewOf(a); rotator.ClockWrong(skew) { // whether the key that comes with it is that one is told by its time
		return e.failedToCreate(ctx, p, errors.New(rotator.SkewInWords(skew)), now)
	}
	freezes, err := e.freezes(ctx, now)
	if err != nil {
		return journalError{err}
	}
	if fr, frozen := rotator.FrozenAt(freezes, now); frozen {
		return e.failedToCreate(ctx, p, fmt.Errorf("nothing is made before %s: %s", fr.To.UTC().Format(time.RFC3339), fr.Reason), now)
	}
	key, err := e.keyToCome(ctx, a, p)
	if err != nil {
		return journalError{err}
	}
	spec, err := e.creatable(directory, p.DeclaredUser, key)
	if err != nil {
		return e.failedToCreate(ctx, p, err, now)
	}
	if err := mayCall(ctx); err != nil {
		return err
	}
	earlier, asked := p.Spec.KeyName, p.AskedAt // of a call whose answer was lost, and that left nothing to be seen so far
	p.Spec.KeyName = spec.KeyName
	p.State, p.At, p.Trouble = rotator.ProvisionIntended, e.clock.Now(), "" // the scan began a while ago
	if earlier == "" || asked.IsZero() {
		p.AskedAt = p.At
	}
	if err := e.store.SaveProvision(ctx, *p); err != nil {
		return journalError{err}
	}
	ctx = tenureOf(ctx).hard // what is begun is ended, or the key is lost
	limited, cancel := patient(ctx)
	defer cancel()
	made, err := directory.CreateUser(limited, spec)
	defer made.Key.Secret.Wipe()
	e.noteWrite(ctx, a, err)
	switch {
	case err == nil:
		return e.created(ctx, a, p, directory, made)
	case rotator.WriteKindOf(err) == rotator.UnknownOutcome:
		p.Trouble = "the answer was lost, and the next scan shows whether it exists: " + err.Error()
		return asJournal(e.store.SaveProvision(ctx, *p))
	default:
		p.Spec.KeyName, p.AskedAt = earlier, asked
		return e.failedToCreate(ctx, p, err, now)
	}
}

// creatable returns what the provider is asked for, or what speaks against creating the service user, without a call.
func (e *Engine) creatable(directory rotator.Directory, d rotator.DeclaredUser, keyName string) (rotator.UserSpec, error) {
	const op = "create service user"
	d.Spec.KeyName = keyName
	if mistakes := directory.CheckUser(d.Spec); len(mistakes) > 0 {
		return d.Spec, rotator.NewFault(op, rotator.Invalid, "%s", strings.Join(mistakes, "; "))
	}
	policy := rotator.FirstMatch(e.setup.Load().Policies, d.Provider, asDeclared(d.Spec), d.Credential)
	if policy == nil || policy.Observe {
		return d.Spec, rotator.NewFault(op, rotator.Invalid, "%w", errNoPolicy(fmt.Sprintf("credential %q of that user", d.Credential)))
	}
	d.Spec.KeyLifetime = policy.Lifetime
	return d.Spec, nil
}

// errNoPolicy says that a first key would go nowhere.
func errNoPolicy(what string) error {
	return fmt.Errorf("no policy that rotates selects %s, so nobody has said where its first key goes", what)
}

// asDeclared is the service user as it is going to be, as far as that can be known.
func asDeclared(s rotator.UserSpec) rotator.ServiceUser {
	return rotator.ServiceUser{Name: s.Name, Email: s.Email, Login: s.LoginID, Active: true}
}

func (e *Engine) failedToCreate(ctx context.Context, p *rotator.Provision, err error, now time.Time) error {
	p.Reach(rotator.ProvisionFailed, now)
	p.Trouble = "it does not exist and could not be created: " + err.Error()
	return asJournal(e.store.SaveProvision(ctx, *p))
}

// created records the new service user and seals the key that came with it. A crash before the seal loses that key's
// secret: the state is still "intended" then, and the next scan revokes the key and has another made.
func (e *Engine) created(ctx context.Context, a *account, p *rotator.Provision, directory rotator.Directory, made rotator.CreatedUser) error {
	p.UserID = made.UserID
	e.log.Info("created a service user", provisionFields(*p)...)
	defer a.requestScan() // it shows the new service user
	err := e.introduce(ctx, a, p, directory)
	named := made.HasKey && a.provider().Limits().NamesFirstKey
	switch {
	case err != nil:
	case named:
		err = e.dropFirstKey(ctx, a, p, made.Key)
	case made.HasKey:
		err = e.takeFirstKey(ctx, a, p, made.Key)
	}
	if err != nil {
		p.Trouble = "its first key could not be taken over: " + err.Error()
		return asJournal(e.store.SaveProvision(ctx, *p))
	}
	p.Reach(rotator.ProvisionPresent, e.clock.Now())
	p.Spec.KeyName, p.AskedAt = "", time.Time{}
	if !made.HasKey || named {
		if err := e.firstKey(ctx, a, p); err != nil {
			p.Trouble = err.Error()
		}
	}
	a.requestLook()
	return asJournal(e.store.SaveProvision(ctx, *p))
}

// introduce stores the new service user before any scan sees it, because policies and the paths of sinks go by its name,
// which may be the provider's choice.
func (e *Engine) introduce(ctx context.Context, a *account, p *rotator.Provision, directory rotator.Directory) error {
	user := asDeclared(p.Spec)
	if have, err := directory.ShowUser(ctx, p.UserID); err == nil {
		user = have.ServiceUser
	}
	user.ID = p.UserID
	return e.patiently(ctx, a, func() error {
		return asJournal(e.store.Merge(ctx, a.name, []rotator.UserRow{{ServiceUser: user}}, nil))
	})
}

// Provision asks for a service user: the next scan, which is asked for at once, creates it unless it is there. It returns
// what will be looked for. A specification that the provider would not take is refused, and so is a credential whose first
// key would go nowhere.
func (e *Engine) Provision(ctx context.Context, d rotator.DeclaredUser, actor string) (rotator.Provision, error) {
	const op = "create service user"
	p := rotator.Provision{DeclaredUser: d, State: rotator.ProvisionWanted, At: e.clock.Now(), Actor: actor}
	a, ok := e.account(d.Provider)
	if !ok {
		return p, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", d.Provider)
	}
	directory, ok := a.provider().(rotator.Directory)
	if !ok {
		return p, &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: errNoDirectory}
	}
	ctx, err := e.asOwner(ctx, a, op)
	if err != nil {
		return p, err
	}
	p.Spec.KeyName = ""
	if _, err := e.creatable(directory, d, rotator.KeyName(d.Credential, 1)); err != nil {
		return p, err
	}
	known, err := e.store.Provisions(ctx, d.Provider)
	if err != nil {
		return p, err
	}
	stands := func(k rotator.Provision) bool {
		settled := k.State == rotator.ProvisionPresent && k.Actor != "" // the scan sees whether it still is
		replaceable := settled || k.State == rotator.ProvisionVanished || k.State == rotator.ProvisionFailed && !undecided(k)
		return k.Label == d.Label && !replaceable
	}
	if slices.ContainsFunc(known, stands) {
		return p, rotator.NewFault(op, rotator.Conflict, "a service user is known under the label %q already", d.Label)
	}
	if err := e.store.SaveProvision(ctx, p); err != nil {
		return p, err
	}
	a.requestScan()
	return p, nil
}
