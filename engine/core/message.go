package core

import "time"

// A ResourceRef names one version of a resource. Version 0 means that there was none when the message came.
type ResourceRef struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Version int    `json:"version,omitempty"`
}

// A MessageRef is what an event needs to say of a message; its content is in the vault.
type MessageRef struct {
	Message   string       `json:"message"`
	Company   string       `json:"company"`
	EventType string       `json:"eventType"`
	Resource  *ResourceRef `json:"resource,omitempty"`
	HasData   bool         `json:"hasData,omitempty"`
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
