// Package gochannel builds the transport within one process: Watermill's Go channels, with the settings that Posthorn
// relies on. Hand what [New] returns to watermillbus as publisher and subscriber at once.
//
// Read next: package watermillbus, which makes a bus of it.
package gochannel

import (
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
)

// New returns a publisher and subscriber in one; both ends must be this same value. It needs no server, holds no goroutine
// until something subscribes, and its Close is idempotent. It may be used from many goroutines at once.
//
// It keeps nothing: a message without a subscriber is dropped, and so is what waits when it is closed. Publish does not wait
// for the acknowledgement and never pushes back: each message waits on goroutines of its own until it is acknowledged, so
// whoever publishes bounds how much is under way. Messages come in no order. A message that was not acknowledged comes again at
// once; watermillbus is what slows that down. Every subscription of a topic gets every message, so a topic has one. A message's
// context is the publisher's, for in it travels what the bus does not encode.
//
// It logs nothing: all that it has to say is above.
func New() *gochannel.GoChannel {
	return gochannel.NewGoChannel(gochannel.Config{
		OutputChannelBuffer:            0, // measured with 0, 64 and 1,024: no difference, for each message has a goroutine to wait on
		Persistent:                     false,
		BlockPublishUntilSubscriberAck: false,
		PreserveContext:                true,
	}, watermill.NopLogger{})
}
