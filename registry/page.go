package registry

// A Page asks for a part of a list.
type Page struct {
	// Max is how many items to return, 1 to 250 (500 for tags and indices, 100 for
	// searches). 0 stands for the most.
	Max int
	// Token is what the call before returned as next, or empty for the first page.
	// A token belongs to its list; any other text is ErrInvalid.
	Token string
}
