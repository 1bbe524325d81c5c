package mysql

// Final is exported for tests.
var Final = final

// Statements is how many prepared statements a client keeps.
func Statements(c *Client) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.statements)
}

// Encode is exported for tests of types that MariaDB has not.
var Encode = encode
