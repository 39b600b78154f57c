//go:build unix

package upstream

import "syscall"

// canPeek says that a connection can be asked whether there is anything to read.
const canPeek = true

// silent reports whether a server has neither sent anything on an idle
// connection nor closed it.
func silent(raw syscall.RawConn) bool {
	var said error
	err := raw.Read(func(fd uintptr) bool {
		_, _, said = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return true // do not wait
	})
	return err == nil && (said == syscall.EAGAIN || said == syscall.EWOULDBLOCK)
}
