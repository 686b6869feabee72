package wob

// rules is the set of the rules S1-S5 in force. All of them always are: the exported
// methods of WOB use allRules. The model check in this package's tests switches each
// off in turn and must then find wrong or stuck histories, which checks the checker.
type rules uint8

const (
	ruleUniqueID   rules = 1 << iota // S1: an id is used once
	ruleBoundary                     // S1: an id fixes its boundary
	ruleKnownChild                   // S2
	ruleMergeOnce                    // S3
	ruleComplete                     // S4
	ruleReclaim                      // S5

	allRules rules = 1<<iota - 1
)

func (r rules) on(rule rules) bool { return r&rule != 0 }
