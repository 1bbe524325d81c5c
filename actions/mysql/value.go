package mysql

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/internal/sqltext"
)

// encode makes a bound argument of a value for a column of a type, as the driver calls it;
// "" if nobody knows. Numbers that are not whole are bound as texts, which the server reads
// as what the column is, so that no digit is lost.
func encode(column string, v sqltext.Value) (any, error) {
	if v.Kind == sqltext.Null {
		return nil, nil
	}
	switch column = strings.TrimPrefix(column, "UNSIGNED "); column {
	case "JSON":
		return document(v)
	case "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY":
		return binary(v)
	case "DATE", "DATETIME", "TIMESTAMP":
		return moment(column, v)
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "BIT":
		if v.Kind == sqltext.Number {
			if whole, ok := sqltext.Integer(v.Text); ok {
				return number(whole), nil
			}
			return nil, fmt.Errorf("%.40s is not a whole number", v.Text)
		}
	case "CHAR", "VARCHAR", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "ENUM", "SET":
		return text(v)
	}
	switch v.Kind {
	case sqltext.Bool:
		return v.Text == "true", nil
	case sqltext.Number:
		return number(v.Text), nil
	default:
		return text(v)
	}
}

// number binds a number as one if it is whole and the protocol has it.
func number(s string) any {
	if whole, ok := sqltext.Integer(s); ok {
		if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(whole, 10, 64); err == nil {
			return n
		}
	}
	return s
}

// text binds a text, or the payload as one if it is UTF-8.
func text(v sqltext.Value) (any, error) {
	if !utf8.ValidString(v.Text) {
		if v.Kind == sqltext.Raw {
			return []byte(v.Text), nil
		}
		return nil, errors.New("a text is not UTF-8")
	}
	return v.Text, nil
}

// document writes a value as JSON.
func document(v sqltext.Value) (any, error) {
	if v.Kind != sqltext.Text {
		return text(v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.Text); err != nil {
		return nil, err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// binary makes bytes: the payload as it is, a text that is base64.
func binary(v sqltext.Value) (any, error) {
	if v.Kind == sqltext.Raw {
		return []byte(v.Text), nil
	}
	if v.Kind != sqltext.Text {
		return nil, errors.New("a binary column takes a text that is base64")
	}
	b, err := base64.StdEncoding.DecodeString(v.Text)
	if err != nil {
		return nil, fmt.Errorf("a binary column takes a text that is base64: %w", err)
	}
	return b, nil
}

// moment makes a time of milliseconds since 1970 and of a text with a zone, in UTC; other
// texts the server reads.
func moment(column string, v sqltext.Value) (any, error) {
	var t time.Time
	switch v.Kind {
	case sqltext.Number:
		var ok bool
		if t, ok = sqltext.Time(v.Text); !ok {
			return nil, fmt.Errorf("%.40s are not milliseconds since 1970 of a year from 1 to 9999", v.Text)
		}
	case sqltext.Text:
		at, err := time.Parse(time.RFC3339Nano, v.Text)
		if err != nil {
			return text(v)
		}
		t = at.UTC()
	default:
		return text(v)
	}
	if column == "DATE" {
		return t.Format("2006-01-02"), nil
	}
	return t.Format("2006-01-02 15:04:05.999999"), nil
}
