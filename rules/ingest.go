package rules

import "strings"

// ingestPrefix is what topics of Basic Ingest begin with: $aws/rules/{rule}/{topic}.
const ingestPrefix = "$aws/rules/"

// ingest takes a topic of Basic Ingest apart.
func ingest(topic string) (rule, rest string, ok bool) {
	rest, ok = strings.CutPrefix(topic, ingestPrefix)
	if !ok {
		return "", topic, false
	}
	rule, rest, _ = strings.Cut(rest, "/")
	return rule, rest, true
}

// ingested returns a topic without the prefix of Basic Ingest.
func ingested(topic string) string {
	_, rest, _ := ingest(topic)
	return rest
}
