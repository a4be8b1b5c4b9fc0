// An application with a database of its own that tells by an outbox: docs/adopting.md shows outbox.go. go.sum has only what ours has not.
module outside/outbox

go 1.26.0

require (
	modernc.org/sqlite v1.38.2
	posthorn v0.0.0
)

replace posthorn => ../../..
