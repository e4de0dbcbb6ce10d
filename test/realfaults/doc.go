// Package realfaults runs the real binary while the machine beneath it misbehaves: packets vanish, the clock jumps, file
// descriptors run out, the journal's file is an old copy of itself, or that of an older version. Package faults does the same
// for what the daemon talks to.
//
// The tests of the network lay out namespaces of their own and have to run as root, or in a user namespace: unshare --user
// --map-root-user --net --mount go test ./test/realfaults. What may not be done fails, and says so.
package realfaults
