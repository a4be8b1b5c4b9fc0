// A sender of webhooks that is not ours, tested with our harness. TestOutside runs it; by hand: GOWORK=off go test -mod=mod .
module outside/receive

go 1.26.0

require posthorn v0.0.0

replace posthorn => ../../..
