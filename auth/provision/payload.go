package provision

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// The messages. Their members have the names and the order of the AWS documentation, in
// JSON and in CBOR.
type (
	keysCreated struct {
		CertificateID  string `json:"certificateId"`
		CertificatePEM string `json:"certificatePem"`
		PrivateKey     string `json:"privateKey"`
		Token          string `json:"certificateOwnershipToken"`
	}
	certificateCreated struct {
		Token          string `json:"certificateOwnershipToken"`
		CertificateID  string `json:"certificateId"`
		CertificatePEM string `json:"certificatePem"`
	}
	registered struct {
		DeviceConfiguration map[string]string `json:"deviceConfiguration"`
		ThingName           string            `json:"thingName,omitempty"`
	}
	rejected struct {
		StatusCode   int    `json:"statusCode"`
		ErrorCode    string `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	}
)

// A message is what devices send; which of it is there depends on the topic. What is
// absent is nil; null is absent too, but no text.
type message struct {
	csr, token *string
	parameters map[string]string
}

// inCBOR is a message as CBOR.
type inCBOR struct {
	CSR        *string            `cbor:"certificateSigningRequest"`
	Token      *string            `cbor:"certificateOwnershipToken"`
	Parameters map[string]*string `cbor:"parameters"`
}

// The CBOR of devices: definite or indefinite lengths, text keys, no tags, and no more
// of anything than a message needs.
var decoding = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	MaxNestedLevels:   8,
	MaxArrayElements:  maxParameters + 28,
	MaxMapPairs:       maxParameters + 28,
	TagsMd:            cbor.TagsForbidden,
	UTF8:              cbor.UTF8RejectInvalid,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
}.DecMode())

// Ours has definite lengths, which small decoders need.
var encoding = must(cbor.EncOptions{IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}.EncMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic("provision: options for CBOR: " + err.Error()) // a mistake in the two above
	}
	return v
}

// decode reads a message in one of the formats. What it does not know is ignored: a
// device may be newer than the hub.
func decode(format string, payload []byte) (m message, err error) {
	if len(payload) == 0 {
		return m, failf(ErrPayload, "the payload is empty, expected %s", format)
	}
	if format == formatCBOR {
		return decodeCBOR(payload)
	}
	n, err := parseJSON(payload)
	if err != nil {
		return m, &Error{Kind: ErrPayload, Message: "the payload is not JSON: " + shorten(err.Error()), Err: err}
	}
	if n.kind != '{' {
		return m, failf(ErrPayload, "the payload is %s, expected an object", n.what())
	}
	for name, to := range map[string]**string{"certificateSigningRequest": &m.csr, "certificateOwnershipToken": &m.token} {
		switch x := n.get(name); {
		case x == nil || x.kind == 'n':
		case x.kind == '"':
			*to = &x.text
		default:
			return message{}, failf(ErrPayload, "%s is %s, expected text", name, x.what())
		}
	}
	if x := n.get("parameters"); x != nil && x.kind != 'n' {
		m.parameters, err = texts(x, "parameters", ErrPayload)
	}
	return m, err
}

func decodeCBOR(payload []byte) (m message, err error) {
	var in inCBOR
	if err := decoding.Unmarshal(payload, &in); err != nil {
		return m, &Error{Kind: ErrPayload, Message: "the payload is not the CBOR that is expected: " + shorten(err.Error()), Err: err}
	}
	if payload[0]>>5 != 5 { // null, which decodes into anything
		return m, failf(ErrPayload, "the payload is no CBOR map")
	}
	m = message{csr: in.CSR, token: in.Token}
	if in.Parameters == nil {
		return m, nil
	}
	m.parameters = make(map[string]string, len(in.Parameters))
	for k, v := range in.Parameters {
		if v == nil {
			return message{}, failf(ErrPayload, "parameters.%s is null, expected text", shorten(k))
		}
		m.parameters[k] = *v
	}
	return m, nil
}

// encode writes an answer.
func encode(format string, v any) ([]byte, error) {
	if format == formatCBOR {
		b, err := encoding.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("provision: encode: %w", err)
		}
		return b, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("provision: encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
