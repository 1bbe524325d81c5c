package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/mqttlink"
)

// The identifiers of subscriptions: they say why a message came. Those of a session that
// an earlier process made stay valid.
const (
	idRouted   = 1 + iota // the hub's filters
	idRoutedRe            // the same, while retained messages come
	idWanted              // what clients of the hub subscribed to
	idWantedRe
	idGroups = 16 // and above: groups
)

// An interest is which filters the hub wants, and what is subscribed to for them.
//
// What is subscribed to are filters of which no topic matches two, because brokers differ
// in what they do then: some send a message once and some once for each. Where wanted
// filters overlap, one that covers both takes their place; what it brings besides finds no
// subscriber. It stays as long as one of them is wanted.
type interest struct {
	b    *Broker
	turn chan struct{} // holds one while somebody changes what is subscribed to

	mu     sync.Mutex
	wanted map[string]int  // how often
	subs   map[string]bool // what there ought to be; true: routed
	groups map[shared]int  // in a fleet: groups and their identifiers
	names  map[int]string  // the groups' names by identifier
	nextID int
	gone   map[string]struct{} // what there ought not to be, and may be in a session
	ups    int
}

type shared struct{ group, filter string }

func (s shared) filterText() string { return "$share/" + s.group + "/" + s.filter }

func (n *interest) begin(b *Broker) {
	n.b, n.turn = b, make(chan struct{}, 1)
	n.wanted, n.subs, n.groups = map[string]int{}, map[string]bool{}, map[shared]int{}
	n.names, n.nextID, n.gone = map[int]string{}, idGroups, map[string]struct{}{}
	if b.cfg.Fleet == "" {
		for _, f := range b.cfg.Filters {
			n.subs[f] = true
		}
	}
}

func (n *interest) len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	more := 0
	if n.b.cfg.Fleet != "" {
		more = len(n.b.cfg.Filters)
	}
	return len(n.subs) + len(n.groups) + more
}

// group is the name of the group that an identifier stands for.
func (n *interest) group(id int) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok := n.names[id]
	return name, ok
}

func (n *interest) take(ctx context.Context) error {
	select {
	case n.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subscribe wants a filter. While there is no connection it waits for Config.Wait; the
// subscription is then made with the connection.
func (b *Broker) Subscribe(ctx context.Context, filter, group string) error {
	if isSys(filter) {
		return nil // the hub has its own
	}
	if err := b.await(ctx); err != nil {
		return err
	}
	n := &b.interest
	inFleet := group != "" && b.cfg.Fleet != ""
	n.mu.Lock()
	covered := !inFleet && n.covering(filter) != ""
	n.mu.Unlock()
	if !covered {
		n.wait(ctx)
	}
	if err := n.take(ctx); err != nil {
		return err
	}
	defer func() { <-n.turn }()
	if inFleet {
		return n.join(ctx, shared{group, filter})
	}
	n.mu.Lock()
	n.wanted[filter]++
	covered = n.covering(filter) != ""
	n.mu.Unlock()
	if covered {
		return nil
	}
	err := n.add(ctx, filter)
	if err != nil {
		n.mu.Lock()
		n.unwant(filter)
		n.mu.Unlock()
	}
	return err
}

// covering returns the subscription that covers a filter. n.mu is held.
func (n *interest) covering(filter string) string {
	for s := range n.subs {
		if covers(s, filter) {
			return s
		}
	}
	return ""
}

func (n *interest) unwant(filter string) (last bool) {
	if n.wanted[filter]--; n.wanted[filter] > 0 {
		return false
	}
	delete(n.wanted, filter)
	return true
}

// add subscribes to what covers filter and all that overlaps with it.
func (n *interest) add(ctx context.Context, filter string) error {
	n.mu.Lock()
	var olds []string
	routed := false
	for again := true; again; {
		again = false
		for s, r := range n.subs {
			if !slices.Contains(olds, s) && overlap(s, filter) {
				filter, olds, routed, again = join(s, filter), append(olds, s), routed || r, true
			}
		}
	}
	n.mu.Unlock()
	if n.b.link.Connected() {
		if err := n.subscribe(ctx, routed, true, filter); err != nil && !errors.Is(err, mqttlink.ErrDown) {
			if !slices.Contains(olds, filter) {
				n.forget(ctx, filter)
			}
			return refused(err)
		}
	}
	olds = slices.DeleteFunc(olds, func(s string) bool { return s == filter })
	n.mu.Lock()
	n.subs[filter] = routed
	delete(n.gone, filter)
	for _, s := range olds {
		delete(n.subs, s)
	}
	n.mu.Unlock()
	n.forget(ctx, olds...)
	return nil
}

// wait waits for a connection, for a while.
func (n *interest) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(n.b.cfg.Wait, 0))
	defer cancel()
	_ = n.b.link.Await(ctx, false) // without one, it is made with the next
}

// refused is what the client is told.
func refused(err error) error {
	var r *mqttlink.Reason
	if errors.As(err, &r) {
		return broker.Refuse(broker.ReasonCode(r.Code), "the upstream broker: "+err.Error())
	}
	return err
}

// subscribe makes subscriptions. With replay the retained messages come first, marked by
// another identifier, which a second SUBSCRIBE for the same filters replaces at once and
// without a gap. It does not change how the flag is treated, since Mosquitto 2.0.11 would
// not; so a message that is published with the flag between the two is taken for an old
// one.
func (n *interest) subscribe(ctx context.Context, routed, replay bool, filters ...string) error {
	id, re := idWanted, idWantedRe
	if routed {
		id, re = idRouted, idRoutedRe
	}
	ids, _, retain, _ := n.b.link.Abilities()
	request := func(id int, handling byte) (s mqttlink.Subscription) {
		if ids {
			s.ID = id
		}
		for _, f := range filters {
			s.Filters = append(s.Filters, paho.SubscribeOptions{Topic: f, QoS: 2, NoLocal: true, RetainHandling: handling, RetainAsPublished: true})
		}
		return s
	}
	var subs []mqttlink.Subscription
	if replay && ids && retain && n.b.cfg.Retained != IgnoreRetained {
		subs = append(subs, request(re, 0))
	}
	return n.b.link.Subscribe(ctx, append(subs, request(id, 2))...)
}

// forget unsubscribes, now or with the next connection.
func (n *interest) forget(ctx context.Context, filters ...string) {
	if len(filters) == 0 {
		return
	}
	if n.b.link.Unsubscribe(ctx, filters...) == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range filters {
		n.gone[f] = struct{}{}
	}
}

// join subscribes to a shared filter of a fleet.
func (n *interest) join(ctx context.Context, s shared) error {
	n.mu.Lock()
	id := n.nextID
	n.nextID++
	n.names[id] = s.group
	n.mu.Unlock()
	if n.b.link.Connected() {
		if err := n.share(ctx, id, s); err != nil && !errors.Is(err, mqttlink.ErrDown) {
			n.forget(ctx, s.filterText())
			return refused(err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.groups[s] = id
	delete(n.gone, s.filterText())
	return nil
}

func (n *interest) share(ctx context.Context, id int, s shared) error {
	ids, can, _, _ := n.b.link.Abilities()
	if !ids || !can {
		return errNoFleet
	}
	return n.b.link.Subscribe(ctx, mqttlink.Subscription{ID: id, Filters: []paho.SubscribeOptions{{Topic: s.filterText(), QoS: 2, RetainAsPublished: true}}})
}

var errNoFleet = errors.New("the upstream broker has no shared subscriptions or no subscription identifiers, which a fleet needs")

// Unsubscribe ends a Subscribe.
func (b *Broker) Unsubscribe(ctx context.Context, filter, group string) error {
	if isSys(filter) {
		return nil
	}
	n := &b.interest
	if err := n.take(ctx); err != nil {
		return err
	}
	defer func() { <-n.turn }()
	if group != "" && b.cfg.Fleet != "" {
		n.mu.Lock()
		delete(n.groups, shared{group, filter}) // names stay for what is on its way
		n.mu.Unlock()
		n.forget(ctx, shared{group, filter}.filterText())
		return nil
	}
	n.mu.Lock()
	var olds []string
	if n.unwant(filter) {
		for s, routed := range n.subs {
			if !routed && covers(s, filter) && !n.needed(s) {
				olds = append(olds, s)
				delete(n.subs, s)
			}
		}
	}
	n.mu.Unlock()
	n.forget(ctx, olds...)
	return nil
}

// needed reports whether something that is wanted is covered by a subscription. n.mu is
// held.
func (n *interest) needed(sub string) bool {
	for f := range n.wanted {
		if covers(sub, f) {
			return true
		}
	}
	return false
}

// restore makes all subscriptions of a new connection. With a session that is still there
// they are made again all the same, as they may have changed; retained messages come when
// there is none, or nothing is known here.
func (n *interest) restore(ctx context.Context, present bool) error {
	if err := n.b.await(ctx); err != nil {
		return err
	}
	if err := n.take(ctx); err != nil {
		return err
	}
	defer func() { <-n.turn }()
	n.mu.Lock()
	replay := !present || n.ups == 0
	var routed, wanted, gone []string
	for s, r := range n.subs {
		if r {
			routed = append(routed, s)
		} else {
			wanted = append(wanted, s)
		}
	}
	groups := make(map[shared]int, len(n.groups))
	for s, id := range n.groups {
		groups[s] = id
	}
	for f := range n.gone {
		gone = append(gone, f)
	}
	n.mu.Unlock()
	if fleet := n.b.cfg.Fleet; fleet != "" {
		for _, f := range n.b.cfg.Filters {
			if err := n.share(ctx, idRouted, shared{fleet, f}); err != nil {
				return err
			}
		}
	}
	const atOnce = 100
	for _, part := range [...]struct {
		filters []string
		routed  bool
	}{{routed, true}, {wanted, false}} {
		for chunk := range slices.Chunk(part.filters, atOnce) {
			if err := n.subscribe(ctx, part.routed, replay, chunk...); err != nil {
				return err
			}
		}
	}
	for s, id := range groups {
		if err := n.share(ctx, id, s); err != nil {
			return err
		}
	}
	if present {
		for chunk := range slices.Chunk(gone, atOnce) {
			if err := n.b.link.Unsubscribe(ctx, chunk...); err != nil {
				return err
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range gone {
		delete(n.gone, f)
	}
	n.ups++
	return nil
}
