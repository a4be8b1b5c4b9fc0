package core

// PayloadErased says that the content of a message, or all versions of a resource, was asked to be forgotten. It erases the content in the
// same commit; a job follows that erases what calls have kept of it. Where vault items are missing, this event says why.
type PayloadErased struct {
	Company string `json:"company" cbor:"1,keyasint,omitempty"`
	Message string `json:"message,omitempty" cbor:"2,keyasint,omitempty"`
	// Resource is nil where a message is erased. Its version is the newest that there was.
	Resource *ResourceRef `json:"resource,omitempty" cbor:"6,keyasint,omitempty"`
}

func (PayloadErased) event() {}
