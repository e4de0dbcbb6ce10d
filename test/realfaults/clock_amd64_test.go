package realfaults

// vdsoClock reads the clock by the system call, and adds what stands behind it, in seconds, to the time of day:
//
//	mov eax, 228 (clock_gettime); syscall; test edi, edi; jne 1f; mov rcx, [rip+2f]; add [rsi], rcx; 1: ret; 2: .quad 0
var vdsoClock = []byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x85, 0xff, 0x75, 0x0a,
	0x48, 0x8b, 0x0d, 0x04, 0x00, 0x00, 0x00, 0x48, 0x01, 0x0e, 0xc3,
}

// vdsoJump jumps that far, counted from behind itself.
func vdsoJump(far int32) []byte {
	u := uint32(far) // two's complement is what the instruction wants
	return []byte{0xe9, byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)}
}
