// Package decimal is decimal arithmetic with 34 significant digits, as the rule
// language of AWS IoT has it: results are rounded half to even, and reach from 1E-999
// to 9.99…E999. It is the slow and exact path; numbers that fit an int64 are the
// caller's to work with.
package decimal
