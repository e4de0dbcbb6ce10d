// Package journal keeps a [rotator.Store] in one SQLite file, without cgo.
//
// All writes go through one goroutine, the committer, which runs what is queued in one transaction and syncs the disk
// once for all of them: a lone write waits for nobody, and many at once share the cost. Reads go through a small pool and
// never wait for a write.
//
// A rotation is stored as the JSON form of [rotator.Rotation], with what is searched for beside it in columns. Times in
// columns are Unix milliseconds: next_at, look_at and the end of a hold are rounded up and all others down, so that
// nothing is found before its time. The sealed secret has a column of its own, which is overwritten when the rotation
// no longer needs it; the copies that SQLite's write-ahead log may still hold are truncated away soon after.
//
// The package decides nothing: what may become of a rotation is said by package rotator, and checked here only as far
// as two writers could disagree.
package journal
