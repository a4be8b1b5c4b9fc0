// A program that embeds Posthorn and imports nothing else of it. TestOutside runs it; by hand: GOWORK=off go run -mod=mod .
module outside/embed

go 1.26.0

require posthorn v0.0.0

replace posthorn => ../../..
