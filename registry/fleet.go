package registry

import (
	"context"
	"iter"
)

// TEMP: replaced when the index is there.
type fleet struct{}
type pulledShadows struct{}

func (*pulledShadows) apply()                                               {}
func (*pulledShadows) done()                                                {}
func (s *Service) pullShadows(context.Context, string) *pulledShadows       { return nil }
func (s *Service) reindexThing(context.Context, string) error               { return nil }
func (s *Service) unindexThing(Thing)                                       {}
func (s *Service) reindexGroup(Group, []Group)                              {}
func (s *Service) unindexGroup(string)                                      {}
func (s *Service) checkDynamic(context.Context) error                       { return nil }
func (s *Service) startDynamic(context.Context, Group) error                { return nil }
func (s *Service) changeDynamic(context.Context, Group) error               { return nil }
func (s *Service) stopDynamic(context.Context, string) error                { return nil }
func (s *Service) loadIndexing(context.Context) error                       { return nil }
func (f *fleet) withAttribute(ThingFilter, string) iter.Seq2[string, error] { return nil }
func (f *fleet) dynamicStatus() string                                      { return "" }
func (f *fleet) countDynamic(string) int                                    { return 0 }
func (f *fleet) dynamicOf(string) []string                                  { return nil }
func (f *fleet) dynamicMembers(string, string) iter.Seq2[string, error]     { return nil }
func (f *fleet) wantsConnectivity() bool                                    { return false }
