module github.com/thinghub/thinghub/actions/mqtt

go 1.26.0

require (
	github.com/eclipse/paho.golang v0.23.0
	github.com/stretchr/testify v1.12.1
	github.com/thinghub/thinghub v0.0.0
	github.com/thinghub/thinghub/internal/mqttlink v0.0.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/expr-lang/expr v1.17.8 // indirect
	github.com/fxamacker/cbor/v2 v2.10.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/tidwall/gjson v1.20.1 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	github.com/tidwall/sjson v1.2.7 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/thinghub/thinghub => ../..
	github.com/thinghub/thinghub/internal/mqttlink => ../../internal/mqttlink
)
