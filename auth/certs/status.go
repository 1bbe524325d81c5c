package certs

import (
	"strings"
	"unicode/utf8"
)

// A Status says what a certificate may be used for. The hub calls Config.Changed with
// the empty one, [Deleted], for certificates that are gone.
type Status string

// The statuses of certificates. Only who has an Active one may connect.
const (
	Active   Status = "ACTIVE"
	Inactive Status = "INACTIVE"
	// Revoked is final: nothing leads back from it.
	Revoked Status = "REVOKED"
	// PendingTransfer is a certificate that was offered to another account.
	PendingTransfer Status = "PENDING_TRANSFER"
	// PendingActivation is a certificate that was registered just in time or made for
	// fleet provisioning, and that nobody has activated.
	PendingActivation Status = "PENDING_ACTIVATION"
	// RegisterInactive is an old name of Inactive. It cannot be set.
	RegisterInactive Status = "REGISTER_INACTIVE"
	// Deleted is no status of a certificate; see [Config].Changed.
	Deleted Status = ""
)

var statuses = []Status{Active, Inactive, Revoked, PendingTransfer, RegisterInactive, PendingActivation}

// A Mode says how a certificate, or a CA certificate, was registered.
type Mode string

// The modes of certificates.
const (
	// Default: made here, or registered with a CA whose owner proved to have its key, or
	// that the host vouched for.
	Default Mode = "DEFAULT"
	// SNIOnly: registered without a CA, or with one that anybody may have registered.
	// Clients with such a certificate must ask for the server by a name (SNI).
	SNIOnly Mode = "SNI_ONLY"
)

// A CAStatus says whether certificates may be registered with a CA certificate.
type CAStatus string

// The statuses of CA certificates.
const (
	CAActive   CAStatus = "ACTIVE"
	CAInactive CAStatus = "INACTIVE"
)

// An AutoRegistration says whether certificates of a CA are registered when they are
// first used.
type AutoRegistration string

// The values of AutoRegistration.
const (
	Enable  AutoRegistration = "ENABLE"
	Disable AutoRegistration = "DISABLE"
)

// checkEnum checks a value against those that there are.
func checkEnum[T ~string](field string, v T, all ...T) error {
	names := make([]string, len(all))
	for i, a := range all {
		if a == v {
			return nil
		}
		names[i] = string(a)
	}
	return invalid(field, string(v), "Member must satisfy enum value set: ["+strings.Join(names, ", ")+"]")
}

// checkStatus checks a status that somebody wants a certificate to have.
func checkStatus(field string, v Status) error {
	if err := checkEnum(field, v, statuses...); err != nil {
		return err
	}
	switch v {
	case Active, Inactive, Revoked:
		return nil
	default:
		return &Error{
			Kind: ErrState, Field: field, Value: string(v), Want: "ACTIVE, INACTIVE or REVOKED",
			Message: "The status " + string(v) + " cannot be set, expected ACTIVE, INACTIVE or REVOKED",
		}
	}
}

// checkAccount checks the number of an account as the model has it.
func checkAccount(field, v string) error {
	if len(v) != 12 || strings.Trim(v, "0123456789") != "" {
		return invalid(field, v, "Member must satisfy regular expression pattern: [0-9]{12}")
	}
	return nil
}

// checkID checks the id of a certificate and returns it as we write it.
func checkID(field, v string) (string, error) {
	hex := v
	if len(v) == 64 {
		hex = strings.TrimPrefix(v, "0x")
	}
	if len(v) != 64 || strings.Trim(hex, "0123456789abcdefABCDEF") != "" {
		return "", invalid(field, v, "Member must satisfy regular expression pattern: (0x)?[a-fA-F0-9]+ and have length 64")
	}
	return strings.ToLower(v), nil
}

// checkText checks a free text. What is not UTF-8 would not come back as it was.
func checkText(field, v string, most int) error {
	if !utf8.ValidString(v) {
		return invalid(field, v, "Member must be valid UTF-8")
	}
	if len(v) > most {
		return invalid(field, v, "Member must have length less than or equal to "+itoa(most))
	}
	return nil
}
