package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// members calls each for every member of a JSON object. Names are exact, and one
// that is there twice is an error: encoding/json would let the last one win.
func members(data []byte, each func(name string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := open(dec, data, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return at(data, dec, err)
		}
		name := t.(string) // the decoder accepts nothing else here
		if seen[name] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return at(data, dec, err)
		}
		if err := each(name, value); err != nil {
			return err
		}
	}
	return end(dec, data)
}

// elements calls each for every element of a JSON array, with its name for errors.
func elements(name string, data []byte, each func(field string, value json.RawMessage) error) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil || list == nil {
		return fmt.Errorf("%s is %s, expected a list", name, shown(data))
	}
	for i, value := range list {
		if err := each(fmt.Sprintf("%s[%d]", name, i), value); err != nil {
			return err
		}
	}
	return nil
}

func text(name string, data []byte) (string, error) {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil || s == nil {
		return "", fmt.Errorf("%s is %.40s, expected a text in quotes", name, data)
	}
	return *s, nil
}

// shown is as much of a value as errors show. There may be a password in an object.
func shown(data []byte) string {
	if data = bytes.TrimSpace(data); len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		return string(data[0]) + "..."
	}
	return fmt.Sprintf("%.40s", data)
}

// secret is text that no error shows.
func secret(name string, data []byte) (string, error) {
	s, err := text(name, data)
	if err != nil {
		return "", fmt.Errorf("%s is no text in quotes, expected one", name)
	}
	return s, nil
}

func open(dec *json.Decoder, data []byte, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return at(data, dec, err)
	}
	if t != want {
		return fmt.Errorf("%s, expected an object in braces", shown(data))
	}
	return nil
}

// end reads the closing brace and makes sure that nothing follows.
func end(dec *json.Decoder, data []byte) error {
	if _, err := dec.Token(); err != nil {
		return at(data, dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return at(data, dec, errors.New("more text after the closing brace"))
	}
	return nil
}

// at adds the line to a syntax error.
func at(data []byte, dec *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	offset := min(int(dec.InputOffset()), len(data))
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
}
