// A transport that Posthorn does not bring along: Redis Streams. `make test/transports` runs it; go.sum has only what ours has not.
module outside/redis

go 1.26.0

require (
	github.com/ThreeDotsLabs/watermill v1.5.1
	github.com/ThreeDotsLabs/watermill-redisstream v1.4.5
	github.com/redis/go-redis/v9 v9.12.1
	posthorn v0.0.0
)

replace posthorn => ../../..
