package sts

import (
	"encoding/xml"
	"time"

	"github.com/thinghub/thinghub/auth/roles"
)

type response struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    any
	ID        string `xml:"ResponseMetadata>RequestId"`
}

type errorResponse struct {
	XMLName   xml.Name  `xml:"ErrorResponse"`
	Namespace string    `xml:"xmlns,attr"`
	Error     errorBody `xml:"Error"`
	ID        string    `xml:"RequestId"`
}

type errorBody struct {
	Side    string `xml:"Type"`
	Code    string
	Message string
}

func resultName(action string) xml.Name { return xml.Name{Local: action + "Result"} }

// assumedXML is what all ways to take a role answer.
type assumedXML struct {
	Credentials struct {
		ID         string `xml:"AccessKeyId"`
		Secret     string `xml:"SecretAccessKey"`
		Token      string `xml:"SessionToken"`
		Expiration string
	}
	User struct {
		ID  string `xml:"AssumedRoleId"`
		ARN string `xml:"Arn"`
	} `xml:"AssumedRoleUser"`
	PackedPolicySize *int
	TokenSize        int `xml:"SessionTokenSize"`
	TokenUsed        int `xml:"SessionTokenUtilization"` // percent
}

func xmlOf(a *Assumed) (x assumedXML) {
	c := &x.Credentials
	c.ID, c.Secret, c.Token, c.Expiration = a.AccessKeyID, a.SecretAccessKey, a.SessionToken, a.Expiration.UTC().Format(time.RFC3339)
	x.User.ID, x.User.ARN = a.UserID, a.ARN
	x.TokenSize = len(a.SessionToken)
	x.TokenUsed = (x.TokenSize*100 + roles.MaxToken - 1) / roles.MaxToken
	if a.PackedPolicySize > 0 {
		x.PackedPolicySize = &a.PackedPolicySize
	}
	return x
}

type assumeRoleResult struct {
	XMLName xml.Name
	assumedXML
}

type webIdentityResult struct {
	XMLName xml.Name
	assumedXML
	Subject  string `xml:"SubjectFromWebIdentityToken"`
	Provider string
	Audience string `xml:",omitempty"`
}

type samlResult struct {
	XMLName xml.Name
	assumedXML
	Subject       string
	SubjectType   string `xml:",omitempty"`
	Issuer        string
	Audience      string `xml:",omitempty"`
	NameQualifier string
}

type callerResult struct {
	XMLName xml.Name
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string
}
