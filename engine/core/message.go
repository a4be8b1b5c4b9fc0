package core

import "time"

// A ResourceRef names one version of a resource. Version 0 means that there was none when the message came.
type ResourceRef struct {
	Type    string `json:"type" cbor:"7,keyasint,omitempty"`
	ID      string `json:"id" cbor:"8,keyasint,omitempty"`
	Version int    `json:"version,omitempty" cbor:"9,keyasint,omitempty"`
}

// A MessageRef is what an event needs to say of a message; its content is in the vault.
type MessageRef struct {
	Message   string       `json:"message" cbor:"2,keyasint,omitempty"`
	Company   string       `json:"company" cbor:"1,keyasint,omitempty"`
	EventType string       `json:"eventType" cbor:"5,keyasint,omitempty"`
	Resource  *ResourceRef `json:"resource,omitempty" cbor:"6,keyasint,omitempty"`
	HasData   bool         `json:"hasData,omitempty" cbor:"32,keyasint,omitempty"`
}

// A Message is one occurrence to be told.
type Message struct {
	ID        string       `json:"id"`
	Company   string       `json:"company"`
	EventType string       `json:"eventType"`
	Resource  *ResourceRef `json:"resource,omitempty"`
	CreatedAt time.Time    `json:"createdAt"`
	// Calls counts the webhooks that asked for it, disabled ones included.
	Calls int `json:"calls"`
}
