package postgres

// Final is exported for tests.
var Final = final
