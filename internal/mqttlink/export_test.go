package mqttlink

// InFlight is how many messages are under way on the connection.
func (l *Link) InFlight() int {
	c, err := l.current()
	if err != nil {
		return 0
	}
	return len(c.quota)
}
