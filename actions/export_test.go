package actions

// CheckAddress is what a client asks before it connects.
var CheckAddress = checkAddress

// MaxOpen is how many files are open at once.
const MaxOpen = maxOpen
