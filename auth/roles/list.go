package roles

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
)

// A Page asks for a part of the role aliases.
type Page struct {
	// Size is how many to return, 1 to 250. 0 stands for 250.
	Size int
	// Marker is what the call before returned as next, or empty for the first page. It
	// stays good when aliases come and go.
	Marker string
	// Descending turns the order of the names round. All of them are read for it, since
	// a Directory is read forwards.
	Descending bool
}

const maxPage = 250

// ListRoleAliases returns the names of role aliases in their order, and the marker of the
// next page, which is empty after the last. Errors: ErrInvalid.
func (s *Service) ListRoleAliases(ctx context.Context, p Page) (names []string, next string, err error) {
	if p.Size < 0 || p.Size > maxPage {
		return nil, "", invalid("pageSize", strconv.Itoa(p.Size), "Member must be from 1 to "+strconv.Itoa(maxPage))
	}
	if p.Size == 0 {
		p.Size = maxPage
	}
	marker, err := base64.RawURLEncoding.Strict().DecodeString(p.Marker)
	last := string(marker)
	if err != nil || p.Marker != "" && (checkAlias(last) != nil || markerOf(last) != p.Marker) {
		return nil, "", invalid("marker", p.Marker, "Member must be a marker that this list returned")
	}
	var after []string
	if last != "" && !p.Descending {
		after = []string{last}
	}
	for e, err := range s.aliases.List(ctx, nil, after) {
		if err != nil {
			return nil, "", fmt.Errorf("roles: list role aliases: %w", err)
		}
		if p.Descending && last != "" && e.ID[0] >= last {
			break
		}
		names = append(names, e.ID[0])
		if !p.Descending && len(names) > p.Size {
			break
		}
	}
	if p.Descending {
		slices.Reverse(names)
	}
	if len(names) <= p.Size {
		return names, "", nil
	}
	names = names[:p.Size:p.Size]
	return names, markerOf(names[p.Size-1]), nil
}

func markerOf(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }
