package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The bounds of documents.
const (
	deepest        = 40
	mostElements   = 10_000
	mostAttributes = 100
)

const signatures = "http://www.w3.org/2000/09/xmldsig#"

// A shape is what a document looks like from outside.
type shape struct {
	bare    bool      // it is an assertion, without a response around it
	issued  time.Time // IssueInstant of the root
	answers string    // InResponseTo of the root, which nothing proves yet
}

// decode returns the XML of what a browser posts.
func decode(encoded string, most int) ([]byte, error) {
	if len(encoded) > most*3/2+4 {
		return nil, fmt.Errorf("the response has %d bytes in base64, expected at most %d of XML", len(encoded), most)
	}
	text, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "", " ", "").Replace(encoded))
	switch {
	case err != nil:
		return nil, errors.New("the response is no base64")
	case len(text) > most:
		return nil, fmt.Errorf("the response has %d bytes, expected at most %d", len(text), most)
	}
	return text, nil
}

// checkMarkup refuses XML with parts that are read differently by different readers.
func checkMarkup(text []byte) error {
	return walk(text, func([]xml.Name, xml.StartElement) error { return nil })
}

// walk calls visit for each element, with the names of those around it.
func walk(text []byte, visit func(path []xml.Name, e xml.StartElement) error) error {
	d := xml.NewDecoder(bytes.NewReader(text)) // strict: no entities but XML's own, UTF-8 only
	var path []xml.Name
	elements := 0
	for {
		start := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && elements > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the XML cannot be read: %w", err)
		}
		switch t := token.(type) {
		case xml.Comment:
			return errors.New("the XML has a comment, expected none")
		case xml.Directive:
			return errors.New("the XML has a DTD, expected none")
		case xml.ProcInst:
			if t.Target != "xml" || start != 0 {
				return fmt.Errorf("the XML has the processing instruction %.20q, expected none", t.Target)
			}
		case xml.CharData:
			if len(path) == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("the XML has text outside its root")
			}
		case xml.StartElement:
			if len(t.Attr) > mostAttributes {
				return fmt.Errorf("the XML has an element with more than %d attributes", mostAttributes)
			}
			for i, a := range t.Attr {
				if slices.ContainsFunc(t.Attr[:i], func(b xml.Attr) bool { return b.Name == a.Name }) {
					return fmt.Errorf("the XML has the attribute %.40q twice", a.Name.Local)
				}
			}
			if elements++; elements > mostElements || len(path) >= deepest {
				return fmt.Errorf("the XML has more than %d elements, or more than %d within each other", mostElements, deepest)
			}
			if len(path) == 0 && elements > 1 {
				return errors.New("the XML has two roots")
			}
			if err := visit(path, t); err != nil {
				return err
			}
			path = append(path, t.Name)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

// look checks the shape of a response: whoever wraps a signed assertion in another one
// needs a second assertion, a second id or a signature somewhere else.
func look(text []byte) (s shape, err error) {
	ids := map[string]bool{}
	assertions := 0
	err = walk(text, func(path []xml.Name, e xml.StartElement) error {
		for _, a := range e.Attr {
			if !strings.EqualFold(a.Name.Local, "id") {
				continue
			}
			if ids[a.Value] {
				return fmt.Errorf("the id %.60q is there twice", a.Value)
			}
			ids[a.Value] = true
		}
		parent := ""
		if len(path) > 0 {
			parent = path[len(path)-1].Local
		}
		switch name := e.Name.Local; {
		case len(path) == 0:
			s.bare = name == "Assertion"
			if !s.bare && name != "Response" {
				return fmt.Errorf("the root is %.40q, expected a Response or an Assertion", name)
			}
			s.issued, s.answers = instant(e), attribute(e, "InResponseTo")
			if s.bare {
				assertions++
			}
		case name == "Response":
			return errors.New("there is a Response within the root")
		case name == "Assertion" || name == "EncryptedAssertion":
			if assertions++; assertions > 1 || len(path) != 1 {
				return errors.New("there is more than one assertion, or it is not where it belongs")
			}
		case name == "Signature" && e.Name.Space == signatures:
			if len(path) > 2 || parent != "Response" && parent != "Assertion" {
				return errors.New("there is a signature that is not where it belongs")
			}
		}
		return nil
	})
	if err == nil && assertions == 0 {
		err = errors.New("there is no assertion")
	}
	return s, err
}

// instant is when an element was issued, the zero time if it does not say.
func instant(e xml.StartElement) time.Time {
	t, err := time.Parse(time.RFC3339Nano, attribute(e, "IssueInstant"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// attribute is one without a namespace, "" if it is not there.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// wrap puts a response around an assertion, which is what the library reads. It is not
// signed, so that the assertion must be.
func wrap(assertion []byte, now time.Time) []byte {
	if bytes.HasPrefix(assertion, []byte("<?xml")) {
		assertion = assertion[bytes.Index(assertion, []byte("?>"))+2:]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_thinghub-wrapped" Version="2.0" IssueInstant=%q>`, now.UTC().Format(time.RFC3339))
	b.WriteString(`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>`)
	b.Write(assertion)
	b.WriteString(`</samlp:Response>`)
	return b.Bytes()
}
