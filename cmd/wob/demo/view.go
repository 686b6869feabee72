package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Pauses between two pictures of the progress.
const (
	redraw   = 200 * time.Millisecond // on a terminal, in place
	nextLine = time.Second            // elsewhere, a line each
)

// view shows the progress: a block that is redrawn on a terminal, otherwise a line a second.
type view struct {
	out      io.Writer
	terminal bool
	start    time.Time
	last     time.Time
	height   int // lines of the block now on the screen
	notes    int // told so far
	done     float64
	rate     float64 // effort per second, smoothed
	rated    time.Time
}

func newView(out io.Writer, terminal bool, start time.Time) *view {
	return &view{out: out, terminal: terminal, start: start}
}

// say prints a line of its own, above the block.
func (v *view) say(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.out, "%s  %s\n", v.clock(time.Now()), fmt.Sprintf(format, args...))
}

func (v *view) clock(now time.Time) string { return fmt.Sprintf("%5.1fs", now.Sub(v.start).Seconds()) }

// clear removes the block from the screen.
func (v *view) clear() {
	if v.height > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.height)
		v.height = 0
	}
}

// show draws the progress, if it is time to.
func (v *view) show(t *tracker, now time.Time) {
	pause := nextLine
	if v.terminal {
		pause = redraw
	}
	if now.Sub(v.last) < pause {
		return
	}
	v.last = now
	v.measure(t, now)
	if !v.terminal {
		v.line(t, now)
		return
	}
	if t.notes > v.notes {
		v.say("%s", t.note)
		v.notes = t.notes
	}
	v.block(t, now)
}

// measure follows the speed of the whole network over the last seconds.
func (v *view) measure(t *tracker, now time.Time) {
	done, _ := t.totals()
	span := now.Sub(v.rated).Seconds()
	switch {
	case v.rated.IsZero():
		v.done, v.rated = done, now
	case span >= 1:
		if rate := max(0, done-v.done) / span; v.rate == 0 {
			v.rate = rate
		} else {
			v.rate += (rate - v.rate) / 3
		}
		v.done, v.rated = done, now
	}
}

func (v *view) counts(t *tracker) string {
	s := fmt.Sprintf("splits %d, checkpoints %d, merges %d", t.splits, t.checkpoints, t.merges)
	if t.recovered > 0 {
		s += fmt.Sprintf(", recovered %d", t.recovered)
	}
	return s
}

// line prints the progress in one line.
func (v *view) line(t *tracker, now time.Time) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %5.1f%%  %s", v.clock(now), 100*t.share(), rateText(v.rate))
	for i, w := range t.nodes {
		fmt.Fprintf(&b, "  %s %s", nodeName(i), v.doing(t, w))
	}
	fmt.Fprintf(&b, "  | %s", v.counts(t))
	if t.notes > v.notes {
		fmt.Fprintf(&b, " | %s", t.note)
		v.notes = t.notes
	}
	fmt.Fprintln(v.out, b.String())
}

// doing says in few words what a node does.
func (v *view) doing(t *tracker, w worker) string {
	switch {
	case !w.alive:
		return "killed"
	case w.wob == "":
		return "idle"
	}
	o := t.object(w.wob)
	return fmt.Sprintf("%s %.0f%%", shortID(w.wob), 100*part(o.effort.Done(), o.effort.Total))
}

const barWidth = 30

func bar(share float64) string {
	n := int(share*barWidth + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("░", barWidth-n)
}

// block draws the progress in place, a line a node. Its lines fit into 80 columns.
func (v *view) block(t *tracker, now time.Time) {
	lines := []string{fmt.Sprintf("%s  %s %5.1f%%  %s", v.clock(now), bar(t.share()), 100*t.share(), rateText(v.rate))}
	for i, w := range t.nodes {
		if i == 16 && len(t.nodes) > 18 {
			lines = append(lines, fmt.Sprintf("        and %d more", len(t.nodes)-i))
			break
		}
		text := v.doing(t, w)
		if w.wob != "" {
			o := t.object(w.wob)
			text = fmt.Sprintf("%s %5.1f%%  WOB %s", bar(part(o.effort.Done(), o.effort.Total)),
				100*part(o.effort.Done(), o.effort.Total), shortID(w.wob))
		}
		lines = append(lines, fmt.Sprintf("%7s %s", nodeName(i), text))
	}
	lines = append(lines, "        "+v.counts(t))
	v.clear()
	fmt.Fprintln(v.out, strings.Join(lines, "\n"))
	v.height = len(lines)
}

func rateText(rate float64) string {
	switch {
	case rate <= 0:
		return "   -   "
	case rate >= 1e9:
		return fmt.Sprintf("%.2f G/s", rate/1e9)
	case rate >= 1e6:
		return fmt.Sprintf("%.2f M/s", rate/1e6)
	case rate >= 1e3:
		return fmt.Sprintf("%.2f k/s", rate/1e3)
	}
	return fmt.Sprintf("%.2f /s", rate)
}
