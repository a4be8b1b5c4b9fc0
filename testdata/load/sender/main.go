// Command sender is a sender of webhooks that knows nothing of Posthorn: a route, a payload and a signature of its own. As its arguments
// say it loses every hundredth order, tells of it twice, or signs it with another key; it prints which.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
)

var (
	faults = map[int64]struct {
		name, key string
		times     int
	}{17: {"lost", "", 0}, 42: {"duplicated", "shop-key", 2}, 73: {"bad", "another key", 1}}
	orders atomic.Int64
	client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
)

func main() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	fmt.Printf("listening on http://%s\n", l.Addr())
	http.HandleFunc("PUT /shop/orders", order)
	_ = http.Serve(l, nil)
}

func order(w http.ResponseWriter, r *http.Request) {
	var o struct{ Ref, Notify string }
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || r.Header.Get("X-Shop") != "7" {
		http.Error(w, "no order", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	key, times := "shop-key", 1
	if f, ok := faults[orders.Add(1)%100]; ok && slices.Contains(os.Args[1:], f.name) {
		key, times = f.key, f.times
		fmt.Println(f.name, o.Ref)
	}
	go tell(o.Notify, o.Ref, key, times)
}

func tell(url, ref, key string, times int) {
	body, _ := json.Marshal(map[string]any{"kind": "order.created", "order": map[string]any{"ref": ref}})
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	for range times {
		req, _ := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
		req.Header.Set("X-Shop-Mac", fmt.Sprintf("hmac %x", mac.Sum(nil)))
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
		}
	}
}
