package wob

// The model check of rules S1-S5. A computation of a few items runs on real WOB
// values and the real rules, against an adversary who crashes copies, brings back any
// snapshot ever stored while the original lives, loses, repeats and delays messages,
// rolls applications back, and suspects children wrongly. Then the network turns fair
// and the computation must end, with every item counted exactly once.
//
// A failing history prints its seed and its moves; this repeats it:
//
//	go test ./wob -run 'TestModel/all_rules' -seed=N

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var seedFlag = flag.Uint64("seed", 0, "model check: run the history of this seed alone and print its moves")

// variant is one set of rules to run histories under.
type variant struct {
	name      string
	rules     rules
	reuseIDs  bool // S1 off: ids are parent.counter, as in the paper
	torn      bool // S3 off: a crash rolls the application back but not the table
	hastySend bool // children are dispatched before they are stored
	hastyAck  bool // results are acknowledged before the merge is stored
	wire      bool // snapshots and messages pass through Encode and Decode
	items     int
	histories uint64
	wrong     float64 // least share of wrong root results; 0: none allowed
	stuck     float64 // least share of stuck histories; 0: none allowed
}

var variants = []variant{
	{name: "all rules", rules: allRules, items: 6, histories: 20000},
	{name: "all rules, 8 items", rules: allRules, items: 8, histories: 4000},
	{name: "all rules, through JSON", rules: allRules, items: 6, histories: 500, wire: true},

	// These two only save work; a fault in them must not be able to corrupt.
	{name: "dispatch before store", rules: allRules, items: 6, histories: 2000, hastySend: true},
	{name: "acknowledge before store", rules: allRules, items: 6, histories: 2000, hastyAck: true},
	{name: "both before store", rules: allRules, items: 6, histories: 2000, hastySend: true, hastyAck: true},

	// The same for ids that were used twice, as long as the boundary is checked: the
	// second child is refused and its part reclaimed.
	{name: "repeated ids, boundary checked", rules: allRules &^ ruleUniqueID, reuseIDs: true, items: 6, histories: 2000},

	// Each rule switched off must be caught.
	{name: "without S1", rules: allRules &^ (ruleUniqueID | ruleBoundary), reuseIDs: true, items: 6, histories: 2000, wrong: 0.10},
	{name: "without S2", rules: allRules &^ ruleKnownChild, items: 6, histories: 2000, wrong: 0.30},
	{name: "without S3, merge once", rules: allRules &^ ruleMergeOnce, items: 6, histories: 2000, wrong: 0.30},
	{name: "without S3, one change", rules: allRules, torn: true, items: 6, histories: 2000, wrong: 0.15},
	{name: "without S4", rules: allRules &^ ruleComplete, items: 6, histories: 2000, wrong: 0.70},
	{name: "without S5", rules: allRules &^ ruleReclaim, items: 6, histories: 4000, stuck: 0.02},
	{name: "the paper's letter", rules: allRules &^ (ruleUniqueID | ruleBoundary | ruleKnownChild), reuseIDs: true, items: 6, histories: 2000, wrong: 0.25},
}

func TestModel(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			if *seedFlag != 0 {
				m := play(v, *seedFlag, true)
				t.Logf("seed %d\n%s\noutcome: %s", *seedFlag, strings.Join(m.trace, "\n"), m.outcome())
				require.True(t, m.outcome() == outcomeExact || v.wrong+v.stuck > 0, m.outcome())
				return
			}
			t.Parallel()
			var wrong, stuck int
			var seen tally
			for seed := uint64(1); seed <= v.histories; seed++ {
				m := play(v, seed, false)
				seen.add(m.seen)
				switch m.outcome() {
				case outcomeWrong:
					wrong++
				case outcomeStuck:
					stuck++
				}
				if m.outcome() != outcomeExact && v.wrong+v.stuck == 0 {
					t.Fatalf("seed %d: %s\n%s\nrepeat: go test ./wob -run 'TestModel/%s' -seed=%d", seed, m.outcome(),
						strings.Join(play(v, seed, true).trace, "\n"), strings.ReplaceAll(v.name, " ", "_"), seed)
				}
			}
			t.Logf("%d wrong, %d stuck of %d; %v", wrong, stuck, v.histories, seen)
			of := float64(v.histories)
			if v.wrong > 0 {
				require.GreaterOrEqual(t, float64(wrong)/of, v.wrong, "the check must catch this, wrong results")
			}
			if v.stuck > 0 {
				require.GreaterOrEqual(t, float64(stuck)/of, v.stuck, "the check must catch this, stuck histories")
			}
			if v.wrong == 0 { // also where only liveness is broken
				require.Zero(t, wrong)
				require.Zero(t, seen[didBadFinish], "no copy of any WOB may finish with a wrong result")
			}
			if v.rules == allRules && !v.torn {
				for e, n := range seen {
					if event(e) != didBadFinish {
						require.Greater(t, n, v.histories/100, "the adversary hardly ever caused: %s", event(e))
					}
				}
			}
		})
	}
}

// The adversary is only worth its name if it does these things often.
type event int

const (
	didCrash     event = iota
	didTwin            // brought a copy back while another one lived
	didRollBack        // rolled an application back behind a merge or a split
	didLose            // dropped a message
	didRepeat          // repeated one
	didRefuse          // a result was refused: unknown (S2)
	didMerge           // a result was merged
	didAgain           // a merged result came again (S3)
	didWait            // a WOB had to wait for children (S4)
	didReclaim         // a child was taken back (S5)
	didRecover         // a lost WOB was recovered from its newest backup
	didMove            // a WOB was migrated
	didForget          // merged entries were forgotten
	didBadFinish       // some copy finished with a wrong result
	numEvents
)

func (e event) String() string {
	return [numEvents]string{"crash", "twin", "roll back", "lose", "repeat", "refuse", "merge", "merged again", "wait",
		"reclaim", "recover", "move", "forget", "bad finish"}[e]
}

type tally [numEvents]uint64

func (t *tally) add(o tally) {
	for e := range t {
		t[e] += o[e]
	}
}

func (t tally) String() string {
	var parts []string
	for e, n := range t {
		parts = append(parts, fmt.Sprintf("%s %d", event(e), n))
	}
	return strings.Join(parts, ", ")
}

const (
	outcomeExact = "exact"
	outcomeWrong = "wrong root result"
	outcomeStuck = "stuck"
)

func (m *model) outcome() string {
	switch {
	case !m.done:
		return outcomeStuck
	case m.wrong:
		return outcomeWrong
	}
	return outcomeExact
}

// play runs one history: the adversary's moves, then the fair end.
func play(v variant, seed uint64, trace bool) *model {
	m := newModel(v, rand.New(rand.NewPCG(seed, uint64(v.items))), trace)
	for range 60 + m.rng.IntN(180) {
		if m.done {
			return m
		}
		m.adversary()
	}
	m.logf("-- the network turns fair")
	for range 120 {
		if m.done {
			return m
		}
		m.fairRound()
	}
	return m
}
