package restycaller_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A nameServer answers as testdata/egress/hostile.txt says, and counts the questions.
type nameServer struct {
	conn net.PacketConn

	mu    sync.Mutex
	asked map[string]int // by name and type
}

func startNameServer(tb testing.TB) *nameServer {
	tb.Helper()

	conn, err := new(net.ListenConfig).ListenPacket(tb.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}

	s := &nameServer{conn: conn, asked: map[string]int{}}

	var serving sync.WaitGroup

	serving.Go(s.serve)
	tb.Cleanup(func() {
		_ = conn.Close() // ends serve
		serving.Wait()
	})

	return s
}

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// questions is how often a name has been asked for, whatever the type.
func (s *nameServer) questions(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for key, times := range s.asked {
		if strings.HasPrefix(key, name+". ") {
			n += times
		}
	}

	return n
}

func (s *nameServer) serve() {
	packet := make([]byte, 4096)

	for {
		n, from, err := s.conn.ReadFrom(packet)
		if err != nil {
			return
		}

		var m dnsmessage.Message
		if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
			continue
		}

		m.Response, m.Authoritative, m.Additionals = true, true, nil
		m.Answers = s.answers(m.Questions[0])

		if out, err := m.Pack(); err == nil {
			_, _ = s.conn.WriteTo(out, from) // who asked may have gone
		}
	}
}

func (s *nameServer) answers(q dnsmessage.Question) (out []dnsmessage.Resource) {
	name := strings.ToLower(q.Name.String())

	s.mu.Lock()
	key := name + " " + q.Type.String()
	s.asked[key]++
	first := s.asked[key] == 1
	s.mu.Unlock()

	for _, addr := range addresses(name, first) {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}}

		switch {
		case addr.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: addr.As4()}
		case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
		default:
			continue
		}

		out = append(out, r)
	}

	return out
}

// addresses are what a name, with a dot at its end, resolves to.
func addresses(name string, first bool) []netip.Addr {
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}

	switch name {
	case "metadata.google.internal.", "metadata.", "instance-data.ec2.internal.":
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}
	}

	labels, ours := strings.CutSuffix(name, ".answers.test.")
	if !ours {
		return loopback
	}

	before, after, changes := strings.Cut(labels, ".then.")
	if changes && !first {
		before = after
	}

	var out []netip.Addr

	for label := range strings.SplitSeq(before, ".") {
		addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
		if err != nil {
			addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
		}

		if err == nil {
			out = append(out, addr)
		}
	}

	if len(out) == 0 {
		return loopback
	}

	return out
}
