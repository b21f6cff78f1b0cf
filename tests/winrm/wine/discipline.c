// How W32Time corrects its clock (Microsoft, "How the Windows Time service works", "Windows Time service
// tools and settings"): what it slews, how fast, what it sets, and what it does not believe at first.
#include "host.h"
#include <math.h>
#include <stdlib.h>

#define TICKS 10000000LL
#define NEVER 0xffffffffu
// One tick of the clock, 100 ns.
#define CLOCK_TICK 156250.0
// Less than this is taken away at once, 100 ns: nobody sees it jump.
#define SMALL 10000

// Ticks of the clock in which the whole offset would be gone at the first speed.
static double correction_ticks(const struct discipline *d) {
    double rate = d->phase_rate ? d->phase_rate : 1;
    DWORD poll = d->min_poll < 17 ? d->min_poll : 17;
    return d->by_poll ? 16 * rate * (double)(1u << poll) : rate * (d->update_interval ? d->update_interval : 1);
}

bool slews(const struct discipline *d, int64_t offset) {
    double allowed = d->max_allowed == NEVER ? 1e18 : (double)d->max_allowed * TICKS;
    double most = correction_ticks(d) * CLOCK_TICK / 2;
    return llabs(offset) > SMALL && llabs(offset) <= allowed && llabs(offset) <= most;
}

int64_t slew_part(const struct discipline *d, int64_t left, DWORD ms) {
    if (llabs(left) < SMALL) return left;
    return (int64_t)(left * (1 - exp(-(double)ms * 1e4 / CLOCK_TICK / correction_ticks(d))));
}

bool believed(const struct discipline *d, struct machine *m, int64_t offset, int64_t now) {
    bool large = d->large && llabs(offset) >= (int64_t)d->large;
    bool watching = m->phase == SYNC || m->phase == SPIKE;
    if (large && watching) {
        if (m->phase == SYNC) m->since = now;
        m->phase = SPIKE;
        if (now - m->since < (int64_t)d->watch * TICKS) return false;
        // It stayed for so long: it is the time.
        m->held = 0;
    }
    m->held++;
    m->phase = m->held > d->hold ? SYNC : HOLD;
    return true;
}
