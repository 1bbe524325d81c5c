package users

// Occupy takes all turns of the hasher.
func Occupy(s *Service) (free func()) { return s.hasher.Occupy() }

// Presented is what a login takes for name and password.
var Presented = presented
