package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/thinghub/thinghub/actions"
)

// BacklogRecord is the kind of the records of [Config].Backlog.
const BacklogRecord RecordKind = "backlog"

const (
	// mostKept is how many entries a record of the backlog has, and mostKeptBytes how many
	// bytes of messages, if it has more than one.
	mostKept      = 512
	mostKeptBytes = 1 << 20
	// keepWithin is how long Shutdown takes to keep the backlog although its context has
	// ended: for actions to return, and again for the store.
	keepWithin = 5 * time.Second
)

// An entry of the backlog is an item, or what is to be done with one that was before.
// Entries have the order of the lanes.
type entry struct {
	Rule string `json:"rule"`
	// Number is that of the item, within the rule and Set, which is that of the first
	// record that was written in one go.
	Number int       `json:"number"`
	Set    int       `json:"set"`
	Item   *keptItem `json:"item,omitempty"`
	Job    *keptJob  `json:"job,omitempty"`
}

// A keptItem is an item: its message, what the statement made of it, and what went wrong.
type keptItem struct {
	Topic         string             `json:"topic"`
	Payload       []byte             `json:"payload"`
	Output        []byte             `json:"output"`
	Same          bool               `json:"same,omitempty"` // the output is the payload
	Time          time.Time          `json:"time"`
	Taken         time.Time          `json:"taken"` // when the message was taken in, by the clock of the hub
	ClientID      string             `json:"clientId,omitempty"`
	Principal     string             `json:"principal,omitempty"`
	SourceIP      netip.Addr         `json:"sourceIp,omitzero"`
	TraceID       string             `json:"traceId"`
	QoS           byte               `json:"qos,omitempty"`
	Protocol      actions.Protocol   `json:"protocol,omitempty"`
	Hops          uint8              `json:"hops,omitempty"`
	Format        byte               `json:"format,omitempty"`
	ContentType   string             `json:"contentType,omitempty"`
	ResponseTopic string             `json:"responseTopic,omitempty"`
	Correlation   []byte             `json:"correlation,omitzero"`
	Properties    []actions.Property `json:"properties,omitempty"`
	Failures      []keptFailure      `json:"failures,omitempty"`
}

type keptFailure struct {
	Action   string `json:"action"`
	Resource string `json:"resource,omitempty"`
	Message  string `json:"message"`
}

// A keptJob is what is to be done with an item.
type keptJob struct {
	What jobKind `json:"what"`
	// Action is the place of the action, and Kind its kind.
	Action int    `json:"action,omitempty"`
	Kind   string `json:"kind,omitempty"`
	// Params are the texts that were rendered, nil if they are to be. A panic or an
	// error instead is Failed.
	Params   [][]byte `json:"params,omitempty"`
	Failed   string   `json:"failed,omitempty"`
	Attempt  int      `json:"attempt,omitempty"`
	Document []byte   `json:"document,omitempty"` // of a report
	// More has what the actions get, if the item passed and has not been given to them.
	More []keptJob `json:"more,omitempty"`
}

// jobKind says what a job is.
type jobKind string

const (
	keptAction   jobKind = "action"
	keptReport   jobKind = "report"   // for the error action
	keptEvaluate jobKind = "evaluate" // the statement is to be evaluated
	keptPassed   jobKind = "passed"   // it was
)

// A keeper collects what is not done.
type keeper struct {
	s       *Service
	rule    string
	set     int
	numbers map[*item]int
	entries []entry
	within  int64 // items that are in the reports of others
}

// number returns the number of an item, for which there is an entry then.
func (k *keeper) number(it *item) int {
	n, ok := k.numbers[it]
	if !ok {
		n = len(k.numbers)
		k.numbers[it] = n
		k.entries = append(k.entries, entry{Rule: k.rule, Set: k.set, Number: n, Item: k.item(it)})
	}
	return n
}

// numberAll is number also for those that failed together with an item.
func (k *keeper) numberAll(it *item) {
	if _, ok := k.numbers[it]; ok {
		return
	}
	k.number(it)
	if t := it.trouble; t != nil && t.batch != nil {
		for _, other := range t.batch.items { // which may be in no lane any more
			k.number(other)
		}
	}
}

func (k *keeper) job(it *item, j keptJob) {
	n := k.number(it)
	k.entries = append(k.entries, entry{Rule: k.rule, Set: k.set, Number: n, Job: &j})
}

func (k *keeper) item(it *item) *keptItem {
	m := it.message(&actions.Message{})
	out := it.output()
	kept := &keptItem{
		Topic: m.Topic, Payload: m.Payload, Time: m.Time, Taken: time.Now().Add(-k.s.age(it)), ClientID: m.ClientID, Principal: m.Principal, SourceIP: m.SourceIP,
		TraceID: m.TraceID.String(), QoS: m.QoS, Protocol: m.Protocol, Hops: m.Hops, Format: byte(m.PayloadFormat),
		ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, Correlation: m.CorrelationData,
	}
	if kept.Same = same(out, m.Payload); !kept.Same {
		kept.Output = out
	}
	if m.UserProperties != nil {
		for key, value := range m.UserProperties {
			kept.Properties = append(kept.Properties, actions.Property{Key: key, Value: value})
		}
	}
	if it.trouble != nil {
		for _, f := range it.trouble.failures {
			kept.Failures = append(kept.Failures, keptFailure{f.action, f.resource, f.message})
		}
	}
	return kept
}

// keepJob is what is kept of a job for an action.
func keepJob(j *job) keptJob {
	k := keptJob{What: keptAction, Action: j.step.index, Kind: j.step.kind}
	k.extras(j.extras)
	return k
}

// extras keeps what a job has besides the item, which may be nothing.
func (k *keptJob) extras(x *extras) {
	if x == nil {
		return
	}
	k.Attempt = x.attempt
	if x.failed != nil {
		k.Failed = x.failed.Error()
	}
	for _, p := range x.params {
		k.Params = append(k.Params, []byte(p))
	}
}

// keepRule collects what lies in the lanes of a rule, which nobody works.
func (s *Service) keepRule(r *rule) (entries []entry, items int64) {
	k := &keeper{s: s, rule: r.name, set: s.backlog.next, numbers: map[*item]int{}}
	lanes := r.lanes()
	for _, l := range lanes { // before any of their items is kept
		for _, f := range l.failed {
			f.job.it.note(&failure{f.job.step.failedAction(), "", f.err.Error()}, nil)
		}
	}
	for _, l := range lanes {
		k.keepLane(l)
	}
	return k.entries, int64(len(k.numbers)) + k.within
}

// lanes returns the lanes that a rule has, those of former sets of tracks first.
func (r *rule) lanes() (list []*lane) {
	r.noting.Lock()
	sets := slices.Clone(r.retired)
	r.noting.Unlock()
	if set := r.tracks.Load(); set != nil {
		sets = append(sets, set)
	}
	for _, set := range sets {
		for i := range set.tracks {
			t := &set.tracks[i]
			t.mu.Lock()
			for _, l := range t.lanes {
				if l != nil {
					list = append(list, l)
				}
			}
			t.mu.Unlock()
		}
	}
	return list
}

func (k *keeper) keepLane(l *lane) {
	l.track.mu.Lock()
	defer l.track.mu.Unlock()
	for _, f := range l.failed {
		k.numberAll(f.job.it)
	}
	for i := range l.batch {
		k.keepOne(&l.batch[i])
	}
	if l.mine != nil {
		for i := l.next; i < len(l.mine.list); i++ {
			k.keepOne(&l.mine.list[i])
		}
	}
	if l.jobs != nil {
		for i := range l.jobs.list {
			k.keepOne(&l.jobs.list[i])
		}
	}
}

func (k *keeper) keepOne(j *job) {
	switch {
	case j.step == nil && j.extras != nil && j.passed:
		p := keptJob{What: keptPassed}
		for i, st := range j.it.rev.steps {
			of := keptJob{What: keptAction, Action: st.index, Kind: st.kind}
			if j.more != nil {
				of.extras(j.more[i])
			}
			p.More = append(p.More, of)
		}
		k.job(j.it, p)
	case j.step == nil:
		k.job(j.it, keptJob{What: keptEvaluate})
	case j.extras != nil && j.report != nil:
		r := keepJob(j)
		r.What, r.Document = keptReport, j.document
		k.within += int64(len(j.report) - 1) // which the document has
		k.job(j.it, r)
	default:
		k.numberAll(j.it)
		k.job(j.it, keepJob(j))
	}
}

// keepBacklog writes what is not done to the backlog, in the place of what is there. It
// returns how many messages that are. Nobody works any more.
func (s *Service) keepBacklog(ctx context.Context) (kept int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []entry
	of := map[*rule]int64{}
	for _, r := range s.rules {
		if rest, ok := s.backlog.waiting[r.name]; ok { // the rule never worked
			entries = append(entries, rest...)
		}
		mine, items := s.keepRule(r)
		entries = append(entries, mine...)
		kept += items
		of[r] = items
	}
	for name, rest := range s.backlog.waiting {
		if s.rules[name] == nil {
			entries = append(entries, rest...)
		}
	}
	if err := s.backlog.replace(ctx, s.cfg.Backlog, entries); err != nil {
		return 0, fmt.Errorf("keep the backlog: %w", err)
	}
	s.backlog.kept = of
	return kept, nil
}

// A backlog is what the service knows of Config.Backlog. Guarded by Service.mu.
type backlog struct {
	waiting map[string][]entry // of rules that have not worked yet
	records []Record           // without their documents: what is in the store
	next    int                // what the next record is called
	kept    map[*rule]int64    // how many messages of the rules were kept; nil before
}

// fill is how many of the entries go into one record.
func fill(entries []entry) (n int) {
	bytes := 0
	for n < min(len(entries), mostKept) {
		if it := entries[n].Item; it != nil {
			bytes += len(it.Payload) + len(it.Output)
		}
		if j := entries[n].Job; j != nil {
			bytes += j.size()
		}
		if bytes > mostKeptBytes && n > 0 {
			break
		}
		n++
	}
	return n
}

// size is how many bytes a job has besides the item.
func (k *keptJob) size() (n int) {
	n = len(k.Document)
	for _, p := range k.Params {
		n += len(p)
	}
	for i := range k.More {
		n += k.More[i].size()
	}
	return n
}

// replace writes entries to the store, and then removes what was there. If that fails, the
// next time removes all of it.
func (b *backlog) replace(ctx context.Context, store Store, entries []entry) error {
	var written []Record
	defer func() { b.records = append(b.records, written...) }()
	for len(entries) > 0 {
		n := fill(entries)
		document, err := json.Marshal(entries[:n])
		entries = entries[n:]
		if err != nil {
			return err
		}
		r := Record{Name: fmt.Sprintf("%012d", b.next), Revision: 1, Document: document}
		if err := store.Save(ctx, BacklogRecord, r); err != nil {
			return err
		}
		b.next++
		r.Document = nil
		written = append(written, r)
	}
	for len(b.records) > 0 {
		r := b.records[0]
		if err := store.Delete(ctx, BacklogRecord, r.Name, r.Revision); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		b.records = b.records[1:]
	}
	return nil
}
