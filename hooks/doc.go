// Package hooks tells consumers that a new key is in its places: whoever reads a key only once has to be told to read it
// again. What is to be told is in the journal, see [rotator.Hooks]; how it is told is up to the packages below.
//
// A call is made at least once, and bears a name that stays the same as long as nobody knows what became of it. Calls that
// would do the same are made once for all keys that come within a short time. No call is given up, and none stands in the
// way of a call of another hook.
package hooks
