// Package awsjson serves operations the way AWS's JSON protocols have it: a POST whose
// header X-Amz-Target names the operation and whose body is its input, answered with the
// output or with an error that names its type.
package awsjson
