package broker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"

	"posthorn/internal/freeport"
)

// An SQS is ElasticMQ, a server that speaks SQS. It was chosen over moto: it refuses what SQS refuses (empty attributes, more than ten
// of them, characters that are not text, empty bodies, batches over the limits), and can keep messages over a kill. It tells no
// MaximumMessageSize, and a receipt handle that was used is refused by it, where SQS takes it again.
type SQS struct {
	*Process

	Addr string // "host:port"
}

// StartSQS runs ElasticMQ, whose jars are in the directory installed, and returns when it serves. Its queues and messages are in an H2
// database in the directory data: what was answered is written to the file before, so a kill loses nothing, at some hundred
// messages a second. With an empty data they are in memory, for thousands a second, and a kill loses all of them.
//
// After a restart it serves a moment before it has its queues back, says meanwhile that they do not exist, and ends itself if
// one of them is created in that moment.
func StartSQS(ctx context.Context, installed, data string) (*SQS, error) {
	port, err := freeport.Take(ctx)
	if err != nil {
		return nil, err
	}
	s := &SQS{Addr: "127.0.0.1:" + strconv.Itoa(port)}
	s.Process, err = Start(ctx, Spec{
		Name: "sqs", Path: "java", Args: elasticMQ(installed, data, port),
		Ready: func(ctx context.Context) error { return answers(ctx, "http://"+s.Addr) },
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the server as --transport names it.
func (s *SQS) URL() string { return "sqs://us-east-1?endpoint=http://" + s.Addr }

// elasticMQ are the arguments of java. Its settings are system properties, which are stronger than those in its jar.
func elasticMQ(installed, data string, port int) []string {
	args := []string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Drest-sqs.bind-hostname=127.0.0.1",
		fmt.Sprintf("-Drest-sqs.bind-port=%d", port),
		"-Drest-stats.enabled=false",
		"-Dnode-address.host=127.0.0.1",
		fmt.Sprintf("-Dnode-address.port=%d", port),
	}
	if data != "" { // by default H2 writes half a second after it has answered
		args = append(args, "-Dmessages-storage.enabled=true",
			"-Dmessages-storage.uri=jdbc:h2:"+filepath.Join(data, "messages")+";WRITE_DELAY=0")
	}
	return append(args, "-cp", filepath.Join(installed, "lib", "*"), "org.elasticmq.server.Main")
}

// answers asks for any answer over HTTP.
func answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Close = true // so that no connection outlives the question
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return err
}
