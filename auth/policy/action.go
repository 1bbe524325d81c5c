package policy

// The actions of the message path have lists of their own.
const (
	ActionConnect       = "iot:Connect"
	ActionPublish       = "iot:Publish"
	ActionRetainPublish = "iot:RetainPublish"
	ActionReceive       = "iot:Receive"
	ActionSubscribe     = "iot:Subscribe"
)

var hotActions = [...]string{ActionConnect, ActionPublish, ActionRetainPublish, ActionReceive, ActionSubscribe}

// actionSet is a set of hot actions, the bit of one being its place in hotActions.
type actionSet uint8

const (
	connectBit actionSet = 1 << iota
	publishBit
	retainBit
	receiveBit
	subscribeBit
)

const foldedSubscribe = "iot:subscribe"

// kind is the type of resource a hot action is about.
type kind uint8

const (
	clientKind kind = iota
	topicKind
	filterKind
	kinds
)

// kindPrefix is what resources of a kind begin with, after the scope.
var kindPrefix = [kinds]string{"client/", "topic/", "topicfilter/"}

// kindActions are the hot actions on resources of a kind.
var kindActions = [kinds]actionSet{connectBit, publishBit | retainBit | receiveBit, subscribeBit}

// hotAction finds an action without case.
func hotAction(action string) (bit actionSet, k kind, found bool) {
	for i, name := range hotActions {
		if sameFold(name, action) {
			bit = 1 << i
			for k = range kinds {
				if kindActions[k]&bit != 0 {
					return bit, k, true
				}
			}
		}
	}
	return 0, 0, false
}
