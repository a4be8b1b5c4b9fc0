package restycaller

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Targets are addresses and names that may be called although the guard would refuse them. The zero value holds none. Targets
// do not change; they may be used from many goroutines at once.
type Targets struct {
	networks []networkTarget
	names    []nameTarget
}

type networkTarget struct {
	prefix netip.Prefix
	port   uint16 // 0 for any
}

type nameTarget struct {
	name string // lower case, without the dot at the end
	port uint16 // 0 for any
}

// ParseTargets reads the values of --allow-target and Options.AllowTargets. Each is one of
//
//	10.1.0.0/16  fd00::/8             a network, on any port
//	10.1.2.3  ::1                     an address, on any port
//	10.1.2.3:8080  [::1]:8080         an address, on one port
//	hooks.internal  localhost:8080    a name as it stands in the URL, on any or one port
//
// A network or address is compared with the address that is dialled, whatever name led there. A name is trusted with whatever it
// resolves to; there are no wildcards, and names beyond ASCII are written in their xn-- form. The error names the first value
// that is none of these.
func ParseTargets(values []string) (Targets, error) {
	var t Targets

	for _, value := range values {
		if reason := t.add(value); reason != "" {
			return Targets{}, fmt.Errorf("allowed target %q refused: %s; "+
				"write a network (10.1.0.0/16), or an address or a host name with or without a port (10.1.2.3, [::1]:8080, hooks.internal)",
				cut(value, 128), reason)
		}
	}

	return t, nil
}

// add takes a value in, or says what is wrong with it.
func (t *Targets) add(value string) (reason string) {
	if strings.Contains(value, "://") {
		return "it is a URL"
	}

	if strings.Contains(value, "/") {
		return t.addNetwork(value)
	}

	host, port := value, uint16(0)
	if _, err := netip.ParseAddr(value); err != nil && strings.ContainsRune(value, ':') {
		var ok bool
		if host, port, ok = splitPort(value); !ok {
			return "its port is not a number from 1 to 65535, or its brackets do not fit"
		}
	}

	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "it names a zone, and those are not compared"
		}

		addr = addr.Unmap()
		t.networks = append(t.networks, networkTarget{netip.PrefixFrom(addr, addr.BitLen()), port})

		return ""
	}

	host = foldName(host)
	if reason := checkName(host); reason != "" {
		return reason
	}

	t.names = append(t.names, nameTarget{host, port})

	return ""
}

func (t *Targets) addNetwork(value string) (reason string) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return "it has a slash and is not a network"
	}

	if prefix != prefix.Masked() {
		return "it has bits beyond its length, " + prefix.Masked().String() + " has not"
	}

	if prefix.Addr().Is4In6() {
		return "it is IPv4 written as IPv6, which is never dialled"
	}

	t.networks = append(t.networks, networkTarget{prefix, 0})

	return ""
}

// splitPort splits host:port. The port is at least 1.
func splitPort(value string) (host string, port uint16, ok bool) {
	host, text, err := net.SplitHostPort(value)
	if err != nil {
		return "", 0, false
	}

	n, err := strconv.ParseUint(text, 10, 16)

	return host, uint16(n), err == nil && n > 0
}

func foldName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// checkName says what keeps a folded name from being a host name (RFC 1123, and the underscore that some networks use).
func checkName(name string) (reason string) {
	if name == "" || len(name) > 253 {
		return "a host name has 1 to 253 characters"
	}

	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "it is neither an address nor a host name"
		}
	}

	if endsInNumber(name) {
		return "it looks like an address, and is none"
	}

	return ""
}

// endsInNumber says whether the last label of a folded name is a number, decimal or hexadecimal. That of a real name is none:
// 10.0.0.300 is a mistyped address, and 0x7f000001, 017700000001, 127.1 are addresses to some resolvers and names to others.
// Browsers draw the line there too (WHATWG URL, "ends in a number").
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")

	return last != "" && strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
}

// allowsAddress says whether an address that is about to be dialled is among the targets.
func (t *Targets) allowsAddress(a netip.AddrPort) bool {
	addr := a.Addr().Unmap().WithZone("")

	for _, n := range t.networks {
		if n.prefix.Contains(addr) && (n.port == 0 || n.port == a.Port()) {
			return true
		}
	}

	return false
}

// allowsName says whether host:port, as it comes from a URL, is among the targets by name.
func (t *Targets) allowsName(hostport string) bool {
	if len(t.names) == 0 {
		return false
	}

	host, port, ok := splitPort(hostport)
	if !ok {
		return false
	}

	host = foldName(host)

	for _, n := range t.names {
		if n.name == host && (n.port == 0 || n.port == port) {
			return true
		}
	}

	return false
}
