package api

// controlOperations are the control plane.
var controlOperations = []operation{}
