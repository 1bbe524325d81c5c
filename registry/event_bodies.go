package registry

// The bodies of events, with the members that AWS documents for them. Absent values
// are null.

type thingEvent struct {
	eventHead
	ThingID       string            `json:"thingId"`
	ThingName     string            `json:"thingName"`
	VersionNumber int64             `json:"versionNumber"`
	ThingTypeName *string           `json:"thingTypeName"`
	Attributes    map[string]string `json:"attributes"`
}

func (s *Service) emitThing(operation string, t Thing) {
	if !s.events.enabled(EventThing) {
		return
	}
	s.emit(EventThing, operation, "thing/"+t.Name+topicOf(operation), &thingEvent{
		ThingID: t.ID, ThingName: t.Name, VersionNumber: t.Version, ThingTypeName: orNull(t.Type), Attributes: orEmpty(t.Attributes),
	})
}

type typeEvent struct {
	eventHead
	ThingTypeID           string              `json:"thingTypeId"`
	ThingTypeName         string              `json:"thingTypeName"`
	IsDeprecated          bool                `json:"isDeprecated"`
	DeprecationDate       *int64              `json:"deprecationDate"` // ms
	SearchableAttributes  []string            `json:"searchableAttributes"`
	PropagatingAttributes []propagatingMember `json:"propagatingAttributes"`
	Description           string              `json:"description"`
}

type propagatingMember struct {
	UserPropertyKey     string `json:"userPropertyKey"`
	ThingAttribute      string `json:"thingAttribute,omitempty"`
	ConnectionAttribute string `json:"connectionAttribute,omitempty"`
}

func (s *Service) emitType(operation string, t Type) {
	if !s.events.enabled(EventThingType) {
		return
	}
	e := &typeEvent{
		ThingTypeID: t.ID, ThingTypeName: t.Name, IsDeprecated: !t.Deprecated.IsZero(), Description: t.Description,
		SearchableAttributes: append([]string{}, t.SearchableAttributes...), PropagatingAttributes: []propagatingMember{},
	}
	for _, p := range t.PropagatingAttributes {
		e.PropagatingAttributes = append(e.PropagatingAttributes, propagatingMember{p.Key, p.ThingAttribute, p.ConnectionAttribute})
	}
	if e.IsDeprecated {
		ms := t.Deprecated.UnixMilli()
		e.DeprecationDate = &ms
	}
	s.emit(EventThingType, operation, "thingType/"+t.Name+topicOf(operation), e)
}

type typeAssociationEvent struct {
	eventHead
	ThingID       string `json:"thingId"`
	ThingName     string `json:"thingName"`
	ThingTypeName string `json:"thingTypeName"`
}

func (s *Service) emitTypeAssociation(operation string, t Thing, typ string) {
	if !s.events.enabled(EventThingTypeAssociation) {
		return
	}
	s.emit(EventThingTypeAssociation, operation, "thingTypeAssociation/thing/"+t.Name+"/thingType/"+typ+topicOf(operation),
		&typeAssociationEvent{ThingID: t.ID, ThingName: t.Name, ThingTypeName: typ})
}

type groupEvent struct {
	eventHead
	ThingGroupID          string            `json:"thingGroupId"`
	ThingGroupName        string            `json:"thingGroupName"`
	VersionNumber         int64             `json:"versionNumber"`
	ParentGroupName       *string           `json:"parentGroupName"`
	ParentGroupID         *string           `json:"parentGroupId"`
	Description           string            `json:"description"`
	RootToParent          []groupEventRef   `json:"rootToParentThingGroups"`
	Attributes            map[string]string `json:"attributes"`
	DynamicGroupMappingID *string           `json:"dynamicGroupMappingId"`
}

type groupEventRef struct {
	GroupARN string `json:"groupArn"`
	GroupID  string `json:"groupId"`
}

// emitGroup tells of a group; path are the groups above it, root first.
func (s *Service) emitGroup(operation string, g Group, path []Group) {
	if !s.events.enabled(EventThingGroup) {
		return
	}
	e := &groupEvent{
		ThingGroupID: g.ID, ThingGroupName: g.Name, VersionNumber: g.Version, ParentGroupName: orNull(g.Parent),
		Description: g.Description, RootToParent: []groupEventRef{}, Attributes: orEmpty(g.Attributes),
	}
	for _, p := range path {
		e.RootToParent = append(e.RootToParent, groupEventRef{s.GroupARN(p.Name), p.ID})
		e.ParentGroupID = orNull(p.ID)
	}
	if g.Dynamic() {
		e.DynamicGroupMappingID = orNull(g.ID)
	}
	s.emit(EventThingGroup, operation, "thingGroup/"+g.Name+topicOf(operation), e)
}

type membershipEvent struct {
	eventHead
	GroupARN     string `json:"groupArn"`
	GroupID      string `json:"groupId"`
	ThingARN     string `json:"thingArn"`
	ThingID      string `json:"thingId"`
	MembershipID string `json:"membershipId"`
}

func (s *Service) emitMembership(operation string, t Thing, group, groupID string) {
	if !s.events.enabled(EventThingGroupMembership) {
		return
	}
	s.emit(EventThingGroupMembership, operation, "thingGroupMembership/thingGroup/"+group+"/thing/"+t.Name+topicOf(operation),
		&membershipEvent{GroupARN: s.GroupARN(group), GroupID: groupID, ThingARN: s.ThingARN(t.Name), ThingID: t.ID, MembershipID: t.ID + "-" + groupID})
}

type hierarchyEvent struct {
	eventHead
	ThingGroupID   string `json:"thingGroupId"`
	ThingGroupName string `json:"thingGroupName"`
	ChildGroupID   string `json:"childGroupId"`
	ChildGroupName string `json:"childGroupName"`
}

func (s *Service) emitHierarchy(operation string, parent, child Group) {
	if !s.events.enabled(EventThingGroupHierarchy) {
		return
	}
	s.emit(EventThingGroupHierarchy, operation, "thingGroupHierarchy/thingGroup/"+parent.Name+"/childThingGroup/"+child.Name+topicOf(operation),
		&hierarchyEvent{ThingGroupID: parent.ID, ThingGroupName: parent.Name, ChildGroupID: child.ID, ChildGroupName: child.Name})
}

// The operations of events.
const (
	created = "CREATED"
	updated = "UPDATED"
	deleted = "DELETED"
	added   = "ADDED"
	removed = "REMOVED"
)

// topicOf returns the last level of the topic of an operation's events.
func topicOf(operation string) string {
	switch operation {
	case created:
		return "/created"
	case updated:
		return "/updated"
	case deleted:
		return "/deleted"
	case added:
		return "/added"
	default:
		return "/removed"
	}
}

// orNull makes null of an absent text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orEmpty makes {} of absent attributes.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
