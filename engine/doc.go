// Package engine is the shell around the pure core: it brings what the core decides to the store, and what is due to the
// receivers. It knows the ports and nothing behind them.
//
// One command's way: [Engine.Publish] and its like hand a decision to the writer (writer.go), which decides a batch against one
// snapshot, commits it in one synced step, and only then answers and tells the lanes. The lanes (lanes.go) choose, fairly and
// within bounds, which due calls become tasks; the pump (pump.go) reads what each needs and publishes them; the dispatcher
// (dispatcher.go) makes the attempts and publishes outcomes, which come back to the writer as commands (outcomes.go). The same dispatcher
// stands alone in a [Dispatcher] (dispatch.go), in other processes, for engines that leave their attempts to it.
//
// Read next: writer.go for what is durable when, lanes.go for who is called when, start.go for the order of start and stop.
package engine
