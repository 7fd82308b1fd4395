package ports

import (
	"net"
	"testing"
)

func TestFree(t *testing.T) {
	seen := map[uint16]bool{}
	for range 20 {
		port, err := Free(t.Context())
		if err != nil || seen[port] || port < first || port >= last {
			t.Errorf("%d, %v", port, err)
		}
		seen[port] = true
	}
	addr, err := FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	tried.Add(^uint32(0)) // The same port again, which is taken now.
	if again, err := FreeAddr(t.Context()); err != nil || again == addr {
		t.Errorf("%s after %s, %v", again, addr, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
