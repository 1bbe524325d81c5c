package broker

// Deadlines returns how many messages wait for their expiry.
func (s *MemoryRetained) Deadlines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.expiring)
}
