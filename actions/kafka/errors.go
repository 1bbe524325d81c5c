package kafka

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/thinghub/thinghub/actions"
)

// content reports an error for what is in a record, or in another one of its batch: Kafka
// refuses them together.
func content(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// unknown reports an error because there is no such topic.
func unknown(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}

// classify returns the error of a record that was not written, and whether the library is
// to forget its topic.
func (a *Action) classify(s *sent) (err error, forget bool) {
	err = fmt.Errorf("kafka: %w", s.err)
	topic := s.record.Topic
	chosen := !static(a.Topic) // by the message
	switch {
	case s.record.Partition == noSuch:
		return actions.Permanent(fmt.Errorf("kafka: topic %s has no such partition: %w", topic, s.err)), false
	case errors.Is(s.err, errBehind):
		return errBehind, false
	case errors.Is(s.err, kerr.InvalidTopicException):
		return actions.Permanent(fmt.Errorf("kafka: topic %s: %w", topic, s.err)), true
	case unknown(s.err):
		// A topic that was deleted and made again is another one, which the library does
		// not take up by itself. One that a device named should not be asked for again.
		err = fmt.Errorf("kafka: topic %s: %w", topic, s.err)
		forget = chosen || errors.Is(s.err, kerr.UnknownTopicID)
	case errors.Is(s.err, kerr.TopicAuthorizationFailed):
		err = fmt.Errorf("kafka: topic %s: %w", topic, s.err)
		forget = chosen
	default:
		return err, false
	}
	if chosen {
		return actions.Permanent(err), forget
	}
	return actions.SinkWorks(err), forget // other topics have no reason to wait
}
