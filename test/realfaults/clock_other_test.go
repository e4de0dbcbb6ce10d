//go:build !amd64

package realfaults

// There is no machine code for other processors: the tests that need it say so.
var vdsoClock []byte

func vdsoJump(int32) []byte { return nil }
