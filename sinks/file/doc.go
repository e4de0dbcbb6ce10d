// Package file delivers secrets into files on this machine's disk.
//
// # All or nothing
//
// A new version is written to a temporary file in the same folder, given its owner and its mode, flushed to the disk, renamed
// over the old one, and then the folder is flushed too: without that last step a power cut may bring the old name back after
// the delivery was confirmed. So a reader sees the old content or the new, never a part, never nothing, never a file
// with wrong permissions. Folders are made the same way.
//
// Everything happens through [os.Root], opened on the sink's root folder and then on the file's own folder: a symbolic link that
// leads out of the root is refused by the kernel's own walk, not by a comparison of strings that a racing rename could fool. This
// is also why no library for atomic files is used: those known work on plain path names, and do not flush the folder.
// A link in place of the file itself is never followed nor replaced: it is reported as a conflict.
//
// # Marks
//
// A raw file has no room for anything but the secret, so the mark (version, rotation, fingerprint) is kept beside it in a file of
// its own, .<name>.rotatord.json, for every format alike. It holds no secret; it does hold a salted hash of the file's content, by
// which a change that somebody else made is noticed. The two files cannot be replaced in one step, so the mark goes
// first and describes both contents, the present one and the coming one; then the file is replaced; then the mark is
// cut down to what is true. A crash between any two of these leaves a file that one of the descriptions fits, and the
// same delivery again completes the rest.
//
// What does not fit the mark, or has none, is somebody else's: it is left alone and reported, unless adopt_existing is set.
//
// # Not done here
//
// Nothing is told to the programs that read the file. Old versions are not kept, but for one, when asked. A file system that hangs
// (a network mount whose server is away) cannot be interrupted by a context.
package file
