// Command main lets the page's Verify judge: lines of id|timestamp|signatures|base64 of the body come in, accepted or refused goes out.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"

	"receiving/receiver"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		part := strings.Split(lines.Text(), "|")
		body, err := base64.StdEncoding.DecodeString(part[3])
		if err != nil {
			panic(err)
		}
		header := http.Header{}
		header.Set("webhook-id", part[0])
		header.Set("webhook-timestamp", part[1])
		header.Set("webhook-signature", part[2])
		if err := receiver.Verify(os.Getenv("SECRET"), header, body); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("accepted")
		}
	}
}
