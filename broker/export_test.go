package broker

// Deadlines returns how many messages wait for their expiry.
func (s *MemoryRetained) Deadlines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.expiring)
}

// Untold returns for how many client ids something is to be told to hooks.
func (s *Server) Untold() int {
	s.herald.mu.Lock()
	defer s.herald.mu.Unlock()
	return len(s.herald.byID)
}

// Wishes returns for how many filters and groups the Broker is or is being told.
func (s *Server) Wishes() int {
	s.interest.mu.Lock()
	defer s.interest.mu.Unlock()
	return len(s.interest.wishes)
}
