// Command cloudflared is no more than what a load run sees of the program of that name: it is told a URL, prints where the public end of its
// tunnel is among other things, and passes on what comes there until it is ended. The certificate of that end is written to $SSL_CERT_FILE.
package main

import (
	"encoding/pem"
	"fmt"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	to, err := url.Parse(os.Args[len(os.Args)-1]) // tunnel --url URL
	if err != nil {
		log.Fatal(err)
	}
	public := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public.Certificate().Raw})
	if err := os.WriteFile(os.Getenv("SSL_CERT_FILE"), ca, 0o600); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, `2026-01-01T00:00:00Z INF Thank you for trying Cloudflare Tunnel. (https://www.cloudflare.com/website-terms/)
2026-01-01T00:00:00Z INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |
2026-01-01T00:00:00Z INF |  %-90s|
`, public.URL)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
