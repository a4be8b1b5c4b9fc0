// A store that is not ours, held to its contract by our suite, with an engine over it. TestOutside runs it; by hand:
// GOWORK=off go test -mod=mod .
module outside/ownstore

go 1.26.0

require posthorn v0.0.0

replace posthorn => ../../..
