module github.com/thinghub/thinghub/examples

go 1.26.0

replace github.com/thinghub/thinghub => ..
