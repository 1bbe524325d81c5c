package certs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// The sizes of pages.
const (
	usualPage = 25
	maxPage   = 250
)

// A Page asks for a part of a list. Lists are in the order in which certificates came.
type Page struct {
	// Size is how many items to return, 1 to 250. 0 stands for 25.
	Size int
	// Marker is what the call before returned as next, or empty for the first page. A
	// marker belongs to its list and direction; any other text is ErrInvalid. It stays
	// good when items come and go.
	Marker string
	// Ascending begins with the oldest. Default: the newest first.
	Ascending bool
}

// A Summary is an item of a list of certificates.
type Summary struct {
	ID, ARN string
	Status  Status
	Mode    Mode
	Created time.Time
}

// ListCertificates lists the certificates of the account, those that other accounts
// offer to it included. next is empty on the last page, and so for the other lists.
//
// Errors: ErrInvalid.
func (s *Service) ListCertificates(ctx context.Context, p Page) (list []Summary, next string, err error) {
	return page(ctx, s, listAll, p, s.summary)
}

// ListCertificatesByCA lists the certificates that a CA certificate, also the hub's own,
// has signed. If there is no such CA there are none.
//
// Errors: ErrInvalid.
func (s *Service) ListCertificatesByCA(ctx context.Context, ca string, p Page) (list []Summary, next string, err error) {
	ca, err = checkID("caCertificateId", ca)
	if err != nil {
		return nil, "", err
	}
	return page(ctx, s, listOfCA+ca, p, s.summary)
}

func (s *Service) summary(ctx context.Context, id string) (Summary, bool, error) {
	e, err := s.find(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Summary{}, false, nil // deleted meanwhile
	}
	if err != nil {
		return Summary{}, false, err
	}
	r := &e.Value
	return Summary{ID: id, ARN: s.arnOf(r.Owner, id), Status: r.Status, Mode: r.Mode, Created: r.Created}, true, nil
}

// An Outgoing is a certificate that was offered to another account.
type Outgoing struct {
	ID, ARN string
	// To is the other account, Message what it was told.
	To, Message   string
	Date, Created time.Time
}

// ListOutgoingCertificates lists the certificates that were offered to other accounts
// and not accepted yet, in the order of their transfers.
//
// Errors: ErrInvalid.
func (s *Service) ListOutgoingCertificates(ctx context.Context, p Page) (list []Outgoing, next string, err error) {
	return page(ctx, s, listOut, p, func(ctx context.Context, id string) (Outgoing, bool, error) {
		e, err := s.get(ctx, id)
		if errors.Is(err, ErrNotFound) || (err == nil && e.Value.Status != PendingTransfer) {
			return Outgoing{}, false, nil
		}
		if err != nil {
			return Outgoing{}, false, err
		}
		t := e.Value.Transfer
		return Outgoing{ID: id, ARN: s.ARN(id), To: t.To, Message: t.Message, Date: t.Date, Created: e.Value.Created}, true, nil
	})
}

// A CASummary is an item of a list of CA certificates.
type CASummary struct {
	ID, ARN string
	Status  CAStatus
	Created time.Time
}

// ListCACertificates lists the registered CA certificates; those whose certificates are
// provisioned with a template of that name, unless it is empty.
//
// Errors: ErrInvalid.
func (s *Service) ListCACertificates(ctx context.Context, template string, p Page) (list []CASummary, next string, err error) {
	if template != "" && !templateName.MatchString(template) {
		return nil, "", invalid("templateName", template, "Member must satisfy regular expression pattern: ^[0-9A-Za-z_-]+$ and have length between 1 and 36")
	}
	return page(ctx, s, listCAs, p, func(ctx context.Context, id string) (CASummary, bool, error) {
		ca, err := s.registeredCA(ctx, id)
		if errors.Is(err, auth.ErrNotFound) {
			return CASummary{}, false, nil
		}
		if err != nil {
			return CASummary{}, false, err
		}
		fits := template == "" || (ca.Config != nil && ca.Config.TemplateName == template)
		return CASummary{ID: id, ARN: s.CAARN(id), Status: ca.Status, Created: ca.Created}, fits, nil
	})
}

// page collects what read makes of the ids of a list. An id that read does not want is
// passed over.
func page[T any](ctx context.Context, s *Service, list string, p Page, read func(ctx context.Context, id string) (T, bool, error)) ([]T, string, error) {
	switch {
	case p.Size < 0:
		return nil, "", invalid("pageSize", itoa(p.Size), "Member must have value greater than or equal to 1")
	case p.Size > maxPage:
		return nil, "", invalid("pageSize", itoa(p.Size), "Member must have value less than or equal to "+itoa(maxPage))
	case p.Size == 0:
		p.Size = usualPage
	}
	way := list + "-"
	if p.Ascending {
		way = list + "+"
	}
	var after []string
	if p.Marker != "" {
		last, ok := readMarker(way, p.Marker)
		if !ok {
			return nil, "", invalid("marker", p.Marker, "Member must be a marker that this list returned")
		}
		after = []string{s.tenant, way, last}
	}
	items, last := []T{}, ""
	for e, err := range s.lists.List(ctx, []string{s.tenant, way}, after) {
		if err != nil {
			return nil, "", fmt.Errorf("certs: list: %w", err)
		}
		at := e.ID[2]
		if !p.Ascending {
			at = backwards(at)
		}
		item, ok, err := read(ctx, at[16:])
		if err != nil {
			return nil, "", err
		}
		if !ok {
			continue
		}
		if len(items) == p.Size {
			return items, makeMarker(way, last), nil
		}
		items, last = append(items, item), e.ID[2]
	}
	return items, "", nil
}

// A marker is the place of the last item of a page and a checksum of it and of the list:
// not a secret, only enough to notice what was not meant for here. The model allows
// base64 with padding.

func makeMarker(list, last string) string {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(last)), markerSum(list, last))
	return base64.StdEncoding.EncodeToString(append(b, last...))
}

func readMarker(list, marker string) (last string, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(marker)
	if err != nil || len(b) < 5 {
		return "", false
	}
	last = string(b[4:])
	return last, binary.BigEndian.Uint32(b) == markerSum(list, last)
}

func markerSum(list, last string) uint32 {
	return crc32.ChecksumIEEE([]byte(list + "\x00" + last))
}
