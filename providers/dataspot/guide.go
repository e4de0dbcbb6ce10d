package dataspot

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// HowToMake implements [rotator.Guide], after the manual's page "Service User".
func (p *Provider) HowToMake(userID, userName, keyName string, until time.Time) string {
	expiry, day := "an expiry date (it is required)", "DATE"
	if !until.IsZero() {
		day = until.UTC().Format(time.DateOnly)
		expiry = "the expiry date " + day
	}
	base, _ := rotator.SplitName(keyName)
	return fmt.Sprintf("In dataspot, sign in as an administrator of the tenant %[1]s and open the tenant. "+
		"On the tab \"Service User\", open the menu beside %[2]s and choose \"Manage access keys\", then \"Add\". "+
		"Give it the name %[3]s and %[4]s, and press \"Generate\". "+
		"The value is shown this one time: copy it and hand it over with `rotatord supply %[5]s/%[6]s/%[7]s --expires %[8]s`, which asks for it. "+
		"Leave the other keys of the user as they are: they are in use until the new one is everywhere.",
		p.options.Tenant, called(userID, userName), keyName, expiry, p.options.Name, userID, base, day)
}

// HowToRemove implements [rotator.Guide], after the manual's page "Service User".
func (p *Provider) HowToRemove(userID, userName string, key rotator.Key) string {
	s := fmt.Sprintf("In dataspot, sign in as an administrator of the tenant %s and open the tenant. "+
		"On the tab \"Service User\", open the menu beside %s and choose \"Manage access keys\". "+
		"Delete the key named %s, and no other, with the symbol beside it. A deleted key cannot be brought back.",
		p.options.Tenant, called(userID, userName), key.Name)
	if !key.Expires.IsZero() {
		s += fmt.Sprintf(" Left alone it ends by itself on %s.", key.Expires.UTC().Format("2006-01-02 at 15:04 UTC"))
	}
	return s
}

func called(id, name string) string {
	if name == "" {
		return id
	}
	return fmt.Sprintf("%q", name)
}
