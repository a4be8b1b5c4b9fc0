package httpapi_test

import (
	"context"

	"posthorn/engine"
)

// The memory seals nothing; TestMasterKey asks a real engine.

func (m *memory) MasterKey(context.Context) (engine.MasterKey, error) {
	defer m.mu.Unlock()
	return engine.MasterKey{Keys: 1, InUse: 1}, m.begin("master key")
}

func (m *memory) RotateMaster(context.Context) (engine.MasterKey, error) {
	defer m.mu.Unlock()
	return engine.MasterKey{Keys: 2, InUse: 2, Resealing: true}, m.begin("rotate master key")
}
