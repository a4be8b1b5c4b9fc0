package restycaller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"posthorn/ports"
)

// A call is what a failure is judged by.
type call struct {
	ctx, parent context.Context
	origin      string
	timeout     time.Duration
	waitedFor   *url.URL // the proxy that the attempt had not passed at its end
}

// failed makes a reply of an attempt that ended without a complete answer.
func (c call) failed(err error) ports.Reply {
	c.waitedFor = sendingOf(c.ctx).waitsFor.Load()
	class := c.classify(err)

	return ports.Reply{Class: class, Error: oneLine(c.explain(class, err))}
}

// classify tells the classes apart. The order matters: an ended context shows as any error, and our own faults look like the
// network's.
func (c call) classify(err error) ports.Class {
	switch {
	case isA[*blockedError](err):
		return ports.ClassBlocked
	case c.parent.Err() != nil:
		return ports.ClassInternal
	case isShortage(err):
		return ports.ClassInternal
	case isA[*proxyError](err) || c.ctx.Err() != nil && c.waitedFor != nil:
		return ports.ClassProxy
	case c.ctx.Err() != nil || isTimeout(err):
		return ports.ClassTimeout
	case isA[*net.DNSError](err):
		return ports.ClassDNS
	case isTLS(err):
		return ports.ClassTLS
	case isDial(err):
		return ports.ClassConnect
	default: // the request was right (prepare) and the connection made: whatever failed now came from the other end
		return ports.ClassReset
	}
}

// explain says in three parts what failed, why, and what to do.
func (c call) explain(class ports.Class, err error) string {
	switch class {
	case ports.ClassBlocked:
		return c.explainBlocked(err)
	case ports.ClassInternal:
		if c.parent.Err() != nil {
			return fmt.Sprintf("call to %s was stopped: %v; it may have arrived all the same, and is safe to repeat",
				c.origin, context.Cause(c.parent))
		}

		return fmt.Sprintf("call to %s could not be made: this machine opened no connection (%s); see its limits and its firewall",
			c.origin, detail(err))
	case ports.ClassProxy:
		return c.explainProxy(err)
	case ports.ClassTimeout:
		if c.ctx.Err() != nil {
			return fmt.Sprintf("%s did not answer completely within %s; "+
				"let the receiver answer first and work afterwards", c.origin, c.timeout)
		}

		return fmt.Sprintf("%s could not be reached in time (%s); see whether the host is up and its firewall lets us in",
			c.origin, detail(err))
	case ports.ClassDNS:
		return fmt.Sprintf("%s was not found: its name does not resolve (%s); check the name and its DNS", c.origin, detail(err))
	case ports.ClassTLS:
		return fmt.Sprintf("%s is not trusted or speaks no TLS (%s); repair the receiver's certificate or its URL", c.origin, detail(err))
	case ports.ClassConnect:
		return fmt.Sprintf("%s could not be reached (%s); see whether the receiver is up and listens there", c.origin, detail(err))
	default:
		return fmt.Sprintf("%s broke the connection before its answer was complete (%s); see the receiver's log", c.origin, detail(err))
	}
}

func (c call) explainBlocked(err error) string {
	blocked, _ := errors.AsType[*blockedError](err)

	if errors.Is(blocked, errUnusualHost) {
		return fmt.Sprintf("call to %s refused: its host is neither a name nor an address in the usual form; "+
			"write the address as 192.0.2.1 or [2001:db8::1], and allow it with --allow-target if it is private", c.origin)
	}

	return fmt.Sprintf("call to %s refused: %s is a loopback, private or otherwise special address; "+
		"allow it with --allow-target %s, or everything with --dev", c.origin, blocked.address, blocked.address)
}

func (c call) explainProxy(err error) string {
	fault, ok := errors.AsType[*proxyError](err)
	if !ok {
		fault = silent(c.waitedFor, err)
	}

	return fmt.Sprintf("call to %s was not made: %v", c.origin, fault)
}

// detail is the part of an error that tells a stranger something: without the URL, which may hold secrets, and without our own
// addresses and name servers.
func detail(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}

	if e, ok := errors.AsType[*net.OpError](err); ok {
		if e.Op == "dial" && e.Addr != nil {
			return fmt.Sprintf("%s: %v", e.Addr, e.Err)
		}

		return e.Op + ": " + e.Err.Error()
	}

	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}

	return err.Error()
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)

	return ok
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)

	return ok && e.Timeout()
}

// isShortage says whether this machine lacks something: files, ports, memory, or the permission to connect.
func isShortage(err error) bool {
	e, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return false
	}

	switch e {
	case syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EPERM:
		return true
	default:
		return false
	}
}

// isTLS says whether the handshake failed. Package crypto/tls gives most of its errors no type, but all of them the prefix
// "tls: "; the receiver's alerts come as an operation "remote error".
func isTLS(err error) bool {
	if isA[*tls.CertificateVerificationError](err) || isA[tls.RecordHeaderError](err) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}

	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Op == "remote error" || e.Op == "local error"
	}

	return strings.HasPrefix(detail(err), "tls: ")
}

func isDial(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)

	return ok && e.Op == "dial"
}
