//go:build !unix

package upstream

import "syscall"

// canPeek is false: an idle connection that its server has closed is not seen
// before a request is lost on it.
const canPeek = false

func silent(syscall.RawConn) bool { return false }
