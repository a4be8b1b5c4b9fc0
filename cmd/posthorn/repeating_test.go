package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// repeating is a program, a sender as docs/adopting.md describes one: `repeating URL` publishes messages one after the other, each under a key of its
// own and again until it is accepted, and ends when 100 were accepted after the first that was refused. It writes the ids of the accepted to the
// file accepted, one a line, and makes the file refused once a message has had to be repeated.
func repeating() {
	accepted, err := os.Create("accepted")
	fatal(err)
	for n, after := 1, 0; after < 100; n++ {
		id, repeated := publishUntilAccepted(os.Args[1], n)
		_, err = fmt.Fprintln(accepted, id)
		fatal(err)
		if repeated || after > 0 {
			after++
		}
	}
	fatal(accepted.Close())
}

func publishUntilAccepted(url string, n int) (id string, repeated bool) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		id, err := publishOnce(url, n)
		if err == nil {
			return id, repeated
		}
		if !repeated {
			fatal(os.WriteFile("refused", []byte(err.Error()), 0o600))
		}
		repeated = true
		<-pause.C
	}
}

func publishOnce(url string, n int) (id string, err error) {
	req, err := http.NewRequest(http.MethodPost, url+"/v1/companies/42/messages", strings.NewReader(fmt.Sprintf(`{"eventType":"invoice.paid","data":{"n":%d}}`, n)))
	fatal(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprint("invoice-", n))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	_, rest, found := bytes.Cut(answer, []byte(`"id":"`))
	if resp.StatusCode/100 != 2 || !found {
		return "", errors.New(resp.Status)
	}
	id, _, _ = strings.Cut(string(rest), `"`)
	return id, nil
}
