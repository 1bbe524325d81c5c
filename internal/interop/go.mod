module github.com/thinghub/thinghub/internal/interop

go 1.26.0

require (
	github.com/eclipse/paho.mqtt.golang v1.5.1
	github.com/stretchr/testify v1.12.1
	github.com/thinghub/thinghub v0.0.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/thinghub/thinghub => ../..
