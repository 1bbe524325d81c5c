package postgres

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/thinghub/thinghub/internal/sqltext"
)

// encode writes a value as a parameter in text form, for a parameter of a type: nil is
// NULL. The server reads it as the type, so that no digit is lost.
func encode(types *pgtype.Map, oid uint32, v sqltext.Value) ([]byte, error) {
	if v.Kind == sqltext.Null {
		return nil, nil
	}
	switch oid {
	case pgtype.JSONOID, pgtype.JSONBOID:
		return document(v), nil
	case pgtype.ByteaOID:
		return binary(v)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		if v.Kind == sqltext.Number {
			if whole, ok := sqltext.Integer(v.Text); ok {
				return []byte(whole), nil
			}
		}
	case pgtype.TimestamptzOID, pgtype.TimestampOID, pgtype.DateOID:
		if v.Kind == sqltext.Number {
			return moment(oid, v.Text)
		}
	}
	if v.Kind == sqltext.Array {
		if t, ok := types.TypeForOID(oid); ok {
			if of, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				return array(nil, of.ElementType.OID, v.Text)
			}
		}
	}
	return text(v.Text)
}

// text checks what PostgreSQL cannot store: no text has a zero byte.
func text(s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, errors.New("a text has a zero byte, which PostgreSQL cannot store")
	}
	return []byte(s), nil
}

// document writes a value as JSON. The payload is not looked at: the server does that.
func document(v sqltext.Value) []byte {
	if v.Kind != sqltext.Text {
		return []byte(v.Text)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v.Text) // a text has no error
	return bytes.TrimSpace(b.Bytes())
}

// binary writes bytes: the payload as it is, a text that is base64 or begins with \x.
func binary(v sqltext.Value) ([]byte, error) {
	b := []byte(v.Text)
	if v.Kind != sqltext.Raw {
		if v.Kind != sqltext.Text {
			return nil, errors.New("a bytea takes a text that is base64, or hexadecimal after \\x")
		}
		if strings.HasPrefix(v.Text, `\x`) {
			return text(v.Text)
		}
		var err error
		if b, err = base64.StdEncoding.DecodeString(v.Text); err != nil {
			return nil, fmt.Errorf("a bytea takes a text that is base64, or hexadecimal after \\x: %w", err)
		}
	}
	return hex.AppendEncode([]byte(`\x`), b), nil
}

// moment writes a number of milliseconds since 1970 as a time, which is UTC.
func moment(oid uint32, number string) ([]byte, error) {
	t, ok := sqltext.Time(number)
	if !ok {
		return nil, fmt.Errorf("%.40s are not milliseconds since 1970 of a year from 1 to 9999", number)
	}
	switch oid {
	case pgtype.DateOID:
		return t.AppendFormat(nil, "2006-01-02"), nil
	case pgtype.TimestampOID:
		return t.AppendFormat(nil, "2006-01-02 15:04:05.999999"), nil
	}
	return t.AppendFormat(nil, "2006-01-02 15:04:05.999999Z07:00"), nil
}

// array writes a JSON array as PostgreSQL writes its arrays: {1,"a",NULL}. Arrays in it are
// further dimensions.
func array(dst []byte, oid uint32, list string) ([]byte, error) {
	var items []json.RawMessage
	if err := json.Unmarshal([]byte(list), &items); err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		v, err := sqltext.Read(string(item))
		switch {
		case err != nil:
			return nil, err
		case v.Kind == sqltext.Null:
			dst = append(dst, "NULL"...)
			continue
		case v.Kind == sqltext.Array && oid != pgtype.JSONOID && oid != pgtype.JSONBOID:
			if dst, err = array(dst, oid, v.Text); err != nil {
				return nil, err
			}
			continue
		}
		b, err := encode(nil, oid, v)
		if err != nil {
			return nil, err
		}
		dst = append(dst, '"')
		for _, c := range b {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	return append(dst, '}'), nil
}
