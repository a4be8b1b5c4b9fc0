package sqs

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// idleConnections are kept to one host: as many as there are requests under way on a few busy queues.
const idleConnections = 64

// dial makes a client as the environment and the files of AWS say, and what closes its idle connections. It does not connect.
func dial(ctx context.Context, o Options) (client *sqs.Client, idle func(), err error) {
	plain := strings.HasPrefix(o.Endpoint, "http:")
	loading := []func(*config.LoadOptions) error{config.WithHTTPClient(awshttp.NewBuildableClient())} // the SDK gives it AWS_CA_BUNDLE
	if o.Region != "" {
		loading = append(loading, config.WithRegion(o.Region))
	}
	if plain { // a server of one's own: the address at which a machine of AWS hears its role would time out
		loading = append(loading, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	cfg, err := config.LoadDefaultConfig(ctx, loading...)
	if err != nil {
		return nil, nil, fmt.Errorf("load the settings of AWS: %w", err)
	}
	if cfg.Region == "" {
		return nil, nil, refused("it names no region, and neither do AWS_REGION and the profile", "write sqs://us-east-1")
	}
	if plain {
		cfg.Credentials = aws.NewCredentialsCache(orPlaceholder(cfg.Credentials))
	}
	transport := pool(cfg.HTTPClient)
	client = sqs.NewFromConfig(cfg, func(to *sqs.Options) {
		to.HTTPClient = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // as the SDK's own does
		}
		if o.Endpoint != "" {
			to.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	return client, transport.CloseIdleConnections, nil
}

// pool takes the transport out of the SDK's client, which cannot close its connections.
func pool(c aws.HTTPClient) *http.Transport {
	var transport *http.Transport
	if buildable, ok := c.(*awshttp.BuildableClient); ok {
		transport = buildable.GetTransport()
	} else {
		transport = awshttp.NewBuildableClient().GetTransport()
	}
	transport.MaxIdleConnsPerHost = idleConnections
	transport.ResponseHeaderTimeout = 0 // each request has a deadline
	transport.IdleConnTimeout = 30 * time.Second
	return transport
}

// orPlaceholder is the usual chain, and what any server but AWS takes where that has nothing: a signature is needed, of anyone.
func orPlaceholder(chain aws.CredentialsProvider) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		found, err := chain.Retrieve(ctx)
		if err != nil {
			return credentials.NewStaticCredentialsProvider("posthorn", "posthorn", "").Retrieve(ctx)
		}
		return found, nil
	})
}
