module github.com/thinghub/thinghub/internal/mqttlink

go 1.26.0

require (
	github.com/eclipse/paho.golang v0.23.0
	github.com/stretchr/testify v1.12.1
	github.com/thinghub/thinghub v0.0.0-00010101000000-000000000000
)

require (
	github.com/expr-lang/expr v1.17.8 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/tidwall/gjson v1.20.1 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	github.com/tidwall/sjson v1.2.7 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/net v0.43.0 // indirect
)

replace github.com/thinghub/thinghub => ../..
