/* One whole feed while every rule holds: `engine.board` and `engine.assemble` without the ladder, in the same order, from
 * the same draws. Included by kernel.c.
 */
#include "gather.c"

/* Nodes of a quadrature side by side, and which of them. */
typedef double nodes __attribute__((vector_size(TF_NODES * sizeof(double))));
typedef int64_t chosen __attribute__((vector_size(TF_NODES * sizeof(int64_t))));

/* Gauss-Legendre quadrature of order 8 on [-1, 1]. */
static const nodes ABSCISSA = {-0.96028985649753618, -0.79666647741362673, -0.52553240991632899, -0.18343464249564978,
                               0.18343464249564978,  0.52553240991632899,  0.79666647741362673,  0.96028985649753618};
static const nodes WEIGHT = {0.10122853629037669, 0.22238103445337434, 0.31370664587788705, 0.36268378337836177,
                             0.36268378337836177, 0.31370664587788705, 0.22238103445337434, 0.10122853629037669};

static const nodes ONES = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};

enum { CHAINS = 4 }; /* of multiplications that need not wait for each other */

/* What a slot's pool offers: which places of its list, up to `places`. */
typedef struct {
    int32_t count;
    int32_t places;
    uint8_t open[TF_MOST_PLACES];
    double weight[TF_MOST_PLACES + TF_NODES];    /* softmax only: chances up to a common factor, 0 where not open */
    double sum[TF_MOST_PLACES / TF_NODES + 1];   /* of the weights up to and with each TF_NODES */
} offer;

enum { PLACED = INT32_MAX }; /* later than every position */

static double draw(const tf_feed *feed, uint64_t stream, int32_t position, uint64_t attempt) {
    return unit_interval(random_bits(feed->seed, stream, ((uint64_t)position << 32) + attempt));
}

static int near(const tf_scratch *scratch, int32_t creator, int32_t position, int32_t window) {
    return position - scratch->creator_last[creator] < window;
}

static int refused(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t row, int32_t position) {
    return scratch->flags[row] || near(scratch, world->creator[row], position, feed->window);
}

static int flow_refused(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t row,
                        int32_t position) {
    return feed->flow_flags[row] | near(scratch, world->flow_creator[row], position, feed->window);
}

/* How many videos no rule refuses: those without a flag, less those of the creators placed just before. Theirs are counted
   once: nothing of a creator is placed, so nothing gets a flag, while the window holds it. */
static int32_t eligible(const tf_world *world, const tf_scratch *scratch, tf_feed *feed, int32_t position) {
    int32_t near_rows = 0, *open = feed->recent_open;
    for (; feed->counted < feed->recent; feed->counted++) {
        const int32_t creator = feed->recent_creator[feed->counted], counted = feed->counted;
        for (int32_t i = 0; i < counted; i++) open[i] = feed->recent_creator[i] == creator ? 0 : open[i];
        open[counted] = tf_open_rows(world, scratch, &creator, 1, 0xff);
    }
    for (int32_t i = feed->recent - 1; i >= 0 && position - feed->recent_position[i] < feed->window; i--)
        near_rows += open[i];
    return feed->open_videos - near_rows;
}

/* The pool's k best candidates whose flags are clear. */
static void rank(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, tf_pool *pool, int32_t k) {
    tf_list *list = &pool->list;
    list->k = k;
    tf_rank(world, viewer, scratch, 0xff, list, 1);
    for (int32_t i = 0; i < list->length; i++) {
        pool->creator[i] = world->creator[list->rows[i]];
        pool->last[i] = scratch->creator_last[pool->creator[i]];
    }
    if (!pool->weights) return;
    for (int32_t i = 0; i < list->length; i++) pool->weights[i] = exp((double)list->scores[i] - (double)list->scores[0]);
}

/* Tells a ranked list of a video, or -1, and its creator that were placed. */
EVERY_WIDTH
static void tell(tf_pool *pool, int32_t row, int32_t creator, int32_t position) {
    const int32_t *restrict rows = pool->list.rows, *restrict creators = pool->creator;
    const int32_t length = pool->list.length;
    int32_t *restrict last = pool->last;
    for (int32_t i = 0; i < length; i++) {
        int32_t here = creators[i] == creator ? position : TF_NEVER, now = rows[i] == row ? PLACED : here;
        last[i] = last[i] > now ? last[i] : now;
    }
}

/* The best of the ranked candidates that no rule refuses; returns whether there are no others. Without branches: which
   are refused is hard to foresee. */
EVERY_WIDTH
static int32_t step_over(const tf_pool *pool, int32_t nearest, offer *restrict out) {
    const int32_t length = pool->list.length, limit = pool->limit, *restrict last = pool->last;
    int32_t count = 0, places = length;
    for (int32_t i = 0; i < length; i++) count += out->open[i] = last[i] <= nearest;
    while (count > limit) count -= out->open[--places];
    out->count = count;
    out->places = places;
    return count == limit || length < pool->list.k;
}

/* Sums over so many places at a time, in an order that all vector widths have in common. */
EVERY_WIDTH
static void add_up(const tf_pool *pool, offer *restrict out) {
    const double *restrict weights = pool->weights;
    double sum = 0.0;
    for (int32_t i = 0; i < out->places; i++) out->weight[i] = out->open[i] ? weights[i] : 0.0;
    for (int j = 0; j < TF_NODES; j++) out->weight[out->places + j] = 0.0;
    for (int32_t i = 0; i < out->places; i += TF_NODES) {
        const double *w = out->weight + i;
        out->sum[i / TF_NODES] = sum += ((w[0] + w[4]) + (w[1] + w[5])) + ((w[2] + w[6]) + (w[3] + w[7]));
    }
}

static double total_of(const offer *from) { return from->sum[(from->places - 1) / TF_NODES]; }

/* What the pool offers, ranked deeper where that is too little; 0 when there is nothing or still too little. */
static int32_t offer_videos(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch,
                            const tf_feed *feed, int32_t position, offer *out) {
    tf_pool *pool = &feed->pools[feed->slot[position]];
    const int32_t nearest = position - feed->window;
    if (pool->deepest > TF_MOST_PLACES) return 0;
    if (!step_over(pool, nearest, out)) {
        if (pool->list.k == pool->deepest) return 0;
        rank(world, viewer, scratch, pool, pool->deepest);
        if (!step_over(pool, nearest, out)) return 0;
    }
    if (pool->pick == TF_SOFTMAX && out->count) add_up(pool, out);
    return out->count;
}

/* The place of the one that has so many before it. */
static int32_t place_after(const offer *from, int32_t before) {
    int32_t place = 0;
    while (!from->open[place] || before-- > 0) place++;
    return place;
}

/* The first place whose sum is above what was drawn, or the last. */
static int32_t place_above(const offer *from, double wanted) {
    const int32_t blocks = (from->places - 1) / TF_NODES;
    int32_t block = 0;
    while (block < blocks && from->sum[block] <= wanted) block++;
    double sum = block ? from->sum[block - 1] : 0.0;
    int32_t last = -1;
    for (int32_t i = block * TF_NODES; i < from->places && i < (block + 1) * TF_NODES; i++) {
        if (!from->open[i]) continue;
        last = i;
        if ((sum += from->weight[i]) > wanted) break;
    }
    return last;
}

static int32_t choose(const tf_pool *pool, const offer *from, double drawn) {
    if (pool->pick == TF_SOFTMAX) return place_above(from, drawn * total_of(from));
    if (pool->pick == TF_TOP) return place_after(from, 0);
    int32_t index = (int32_t)(drawn * from->count);
    return place_after(from, index < from->count ? index : from->count - 1);
}

static double chance_of(const tf_pool *pool, const offer *from, int32_t place) {
    if (place < 0) return 0.0;
    if (pool->pick == TF_TOP) return place == place_after(from, 0) ? 1.0 : 0.0;
    if (pool->pick == TF_UNIFORM) return 1.0 / from->count;
    return from->weight[place] / total_of(from);
}

static int32_t place_of(const tf_pool *pool, const offer *from, int32_t row) {
    for (int32_t i = 0; i < from->places; i++)
        if (pool->list.rows[i] == row && from->open[i]) return i;
    return -1;
}

/* A uniform eligible video of `open`: by rejection, and by counting through them where nearly all are refused. */
static int32_t explore(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t position,
                       int32_t open) {
    for (uint64_t attempt = 0; attempt < TF_QUICK_DRAWS; attempt++) {
        int32_t row = (int32_t)(draw(feed, TF_EXPLORE_DRAW, position, attempt) * world->videos);
        if (!refused(world, scratch, feed, row, position)) return row;
    }
    int32_t left = (int32_t)(draw(feed, TF_EXPLORE_DRAW, position, TF_QUICK_DRAWS) * open);
    for (int32_t row = 0; row < world->videos; row++)
        if (!refused(world, scratch, feed, row, position) && left-- == 0) return row;
    return -1;
}

static void put(tf_feed *feed, int32_t position, int32_t flow, int32_t row, double score, double propensity) {
    tf_item *item = &feed->item[position];
    int explored = feed->turned[position] || feed->slot[position] == feed->explore;
    item->row = row;
    item->flow = (uint8_t)flow;
    item->slot = feed->slot[position];
    item->pool = explored ? (uint8_t)feed->explore : item->slot;
    item->score = explored ? NAN : score;
    item->propensity = propensity;
}

static int32_t fill_video(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, tf_feed *feed,
                          int32_t position, offer *from) {
    const tf_pool *pool = &feed->pools[feed->slot[position]];
    const double rate = pool->pick == TF_EXPLORE ? 1.0 : feed->explore_rate;
    if (pool->pick != TF_EXPLORE && !offer_videos(world, viewer, scratch, feed, position, from)) return 0;
    int32_t open = eligible(world, scratch, feed, position), place = -1, row;
    if (open <= 0) return 0;
    if (pool->pick == TF_EXPLORE || feed->turned[position]) {
        row = explore(world, scratch, feed, position, open);
        if (row < 0) return 0;
        if (pool->pick != TF_EXPLORE) place = place_of(pool, from, row);
    } else {
        place = choose(pool, from, draw(feed, TF_CHOICE, position, 0));
        row = pool->list.rows[place];
    }
    double own = pool->pick == TF_EXPLORE ? 0.0 : chance_of(pool, from, place);
    double score = place < 0 ? NAN : pool->list.scores[place];
    put(feed, position, 0, row, score, (1.0 - rate) * own + rate / open);
    scratch->flags[row] |= feed->repeat_flag;
    feed->open_videos--;
    for (int f = 0; f < TF_FEATURES - TF_PAIRS; f++) /* to be described at the end */
        __builtin_prefetch(&world->video_features[(int64_t)f * world->videos + row]);
    __builtin_prefetch(&world->video_id[row]);
    __builtin_prefetch(&world->video_fresh[row]);
    return 1;
}

/* Multiplies chances at these scores by those of beating a rival. */
static inline void beat(nodes *chance, const nodes *score, double share) {
    const nodes part = *score - share;
    const chosen less = part < ONES;
    *chance *= (nodes)((less & (chosen)part) | (~less & (chosen)ONES));
}

/* The chance that the head start at `taken` plus U(0, width) beats all others: see engine/pools/fw.py, whose edges these
   are. Heads descend, so the rivals that a score may not have beaten yet are always the first ones. `share` is room for a
   number a head and for CHAINS - 1 more. */
EVERY_WIDTH
static double winning(const double *head, double *share, int32_t count, int32_t taken, double width) {
    const double low = head[0], high = head[taken] + width, per_width = 1.0 / width;
    if (low >= high) return 0.0;
    while (head[count - 1] + width <= low) count--; /* beaten for certain */
    const int32_t step = 1 + count / TF_MOST_PANELS;
    for (int32_t i = 0; i < count; i++) share[i] = head[i] * per_width;
    share[taken] = share[count] = share[count + 1] = share[count + 2] = -INFINITY; /* no rivals */
    double total = 0.0, from = low;
    for (int32_t kink = count - 1, rivals = count; rivals >= 0; kink -= step) {
        /* A panel ends where the next rival is certain to be beaten, the last one at `high`. */
        int inner = kink >= 0 && head[kink] + width < high;
        double to = inner ? head[kink] + width : high, half = 0.5 * (to - from);
        const nodes score = (half * ABSCISSA + (from + half)) * per_width;
        nodes beaten[CHAINS] = {half * WEIGHT, ONES, ONES, ONES};
        for (int32_t i = 0; i < rivals; i += CHAINS)
            for (int chain = 0; chain < CHAINS; chain++) beat(&beaten[chain], &score, share[i + chain]);
        beaten[0] *= beaten[1], beaten[2] *= beaten[3], beaten[0] *= beaten[2];
        for (int j = 0; j < TF_NODES; j++) total += beaten[0][j];
        from = to;
        rivals = inner ? kink : -1;
    }
    return total / width < 1.0 ? total / width : 1.0;
}

/* Of the flows that no rule refuses, those whose head start leaves them a chance come to flow_rows and flow_head, the
   highest head start first; *taken is the place of the one that drew the highest score, which is returned. */
static double draw_flows(const tf_world *world, const tf_scratch *scratch, tf_feed *feed, int32_t position,
                         int32_t *count, int32_t *taken) {
    const uint64_t state = random_bits(feed->seed, TF_FLOW_DRAW, (uint64_t)position << 32);
    double *head = feed->flow_head, best = -1.0;
    *count = *taken = 0;
    for (int32_t i = 0; i < world->flows; i++) {
        int32_t row = world->flow_order[i], at = *count;
        if (flow_refused(world, scratch, feed, row, position)) continue;
        head[at] = feed->flow_bonus * (double)world->flow_temporal[row];
        if (head[at] + feed->flow_random < head[0]) break;
        double uniform_draw = unit_interval(splitmix_finish(state + (uint64_t)row * GOLDEN));
        double score = feed->flow_random * uniform_draw + head[at];
        if (score > best || (score == best && row < feed->flow_rows[*taken])) best = score, *taken = at;
        feed->flow_rows[(*count)++] = row;
    }
    return best;
}

/* The row of the `left`-th flow that no rule refuses. */
static int32_t open_flow(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t position,
                         int32_t left) {
    for (int32_t row = 0; row < world->flows; row++)
        if (!flow_refused(world, scratch, feed, row, position) && left-- == 0) return row;
    return -1;
}

static int32_t fill_flow(const tf_world *world, tf_scratch *scratch, tf_feed *feed, int32_t position) {
    int32_t open = 0, count, taken;
    for (int32_t row = 0; row < world->flows; row++) open += !flow_refused(world, scratch, feed, row, position);
    if (!open) return 0;
    double best = draw_flows(world, scratch, feed, position, &count, &taken);
    int32_t row = feed->flow_rows[taken];
    if (feed->turned[position]) {
        row = open_flow(world, scratch, feed, position, (int32_t)(draw(feed, TF_EXPLORE_DRAW, position, 0) * open));
        for (taken = 0; taken < count && feed->flow_rows[taken] != row;) taken++;
    }
    double own = taken < count ? winning(feed->flow_head, feed->flow_share, count, taken, feed->flow_random) : 0.0;
    put(feed, position, 1, row, best, (1.0 - feed->explore_rate) * own + feed->explore_rate / open);
    feed->flow_flags[row] |= feed->repeat_flag;
    return 1;
}

/* How many slots the pool has. */
static int32_t planned(const tf_feed *feed, uint8_t pool) {
    int32_t slots = 0;
    for (int32_t i = 0; i < feed->size; i++) slots += feed->slot[i] == pool;
    return slots;
}

static int32_t fill(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, tf_feed *feed) {
    uint32_t ranked = 0;
    feed->counted = 0;
    offer from;
    for (int32_t position = 0; position < feed->size; position++) {
        tf_pool *pool = &feed->pools[feed->slot[position]];
        if (pool->list.table && !(ranked >> feed->slot[position] & 1)) {
            rank(world, viewer, scratch, pool, pool->limit + planned(feed, feed->slot[position]) + feed->spare);
            ranked |= 1u << feed->slot[position];
        }
        int flow = pool->pick == TF_FLOWS;
        int32_t filled = flow ? fill_flow(world, scratch, feed, position)
                              : fill_video(world, viewer, scratch, feed, position, &from);
        if (!filled) return position;
        int32_t row = feed->item[position].row, creator = flow ? world->flow_creator[row] : world->creator[row];
        note(world, scratch, feed, creator, position);
        for (int32_t p = 0; p < feed->pool_count; p++)
            if (ranked >> p & 1) tell(&feed->pools[p], flow ? -1 : row, creator, position);
    }
    return feed->size;
}

/* Which slots turn into EXPLORE. */
static void toss(tf_feed *feed) {
    uint64_t state = random_bits(feed->seed, TF_TURN, 0);
    for (int32_t i = 0; i < feed->size; i++)
        feed->turned[i] = unit_interval(splitmix_finish(state + (uint64_t)i * GOLDEN)) < feed->explore_rate;
}

/* The largest part of the final score that the pool's own bonuses gave: engine.reasons.code. */
static uint8_t reason(const tf_pool *pool, const float *features, int fresh) {
    int best = 0;
    double part = features[0] * pool->bonus[0];
    for (int f = 1; f < TF_FEATURES; f++) { /* no branch: which is larger is hard to foresee */
        double own = features[f] * pool->bonus[f];
        best = own > part ? f : best;
        part = own > part ? own : part;
    }
    if (fresh && pool->fresh > part) return TF_FRESH;
    return part <= 0.0 ? TF_UNDECIDED : (uint8_t)best;
}

/* The features of what was placed. */
static void describe_videos(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, tf_feed *feed) {
    int32_t rows[TF_MOST_ITEMS] = {0}, at[TF_MOST_ITEMS], count = 0;
    float pairs[TF_MOST_ITEMS][TF_PAIRS];
    for (int32_t i = 0; i < feed->size; i++) {
        rows[count] = feed->item[i].row, at[count] = i;
        count += !feed->item[i].flow;
        if (feed->item[i].flow) memset(feed->features + (int64_t)i * TF_FEATURES, 0, sizeof(float) * TF_FEATURES);
    }
    tf_pair_features(world, viewer, scratch, rows, count, pairs[0]);
    for (int32_t i = 0; i < count; i++) {
        float *features = feed->features + (int64_t)at[i] * TF_FEATURES;
        for (int f = 0; f < TF_FEATURES - TF_PAIRS; f++)
            features[world->video_column[f]] = world->video_features[(int64_t)f * world->videos + rows[i]];
        for (int f = 0; f < TF_PAIRS; f++) features[world->pair_column[f]] = pairs[i][f];
    }
}

/* Rows become ids, with the features of what was placed and why it is there. */
static void describe(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, tf_feed *feed) {
    describe_videos(world, viewer, scratch, feed);
    for (int32_t i = 0; i < feed->size; i++) {
        tf_item *item = &feed->item[i];
        int32_t row = item->row, explored = item->pool == feed->explore;
        item->id = item->flow ? world->flow_id[row] : world->video_id[row];
        item->creator_id = world->creator_id[item->flow ? world->flow_creator[row] : world->creator[row]];
        item->reason = explored ? TF_EXPLORED : TF_CHALLENGE;
        if (item->flow || explored) continue;
        const float *features = feed->features + (int64_t)i * TF_FEATURES;
        item->reason = reason(&feed->pools[item->pool], features, world->video_fresh[row]);
    }
}

/* Undoes gather and fill. */
static void forget(tf_scratch *scratch, tf_feed *feed, int32_t flows, int32_t filled) {
    let_in(scratch, feed, flows);
    for (int32_t i = 0; i < filled; i++)
        if (!feed->item[i].flow) scratch->flags[feed->item[i].row] = 0;
    for (int32_t i = 0; i < feed->recent; i++) scratch->creator_last[feed->recent_creator[i]] = TF_NEVER;
}

int32_t tf_draft(const tf_world *world, tf_scratch *scratch, tf_feed *feed, uint8_t *answer) {
    tf_viewer viewer;
    feed->item = (tf_item *)answer;
    feed->features = (float *)(answer + (int64_t)feed->size * (int64_t)sizeof(tf_item));
    feed->user = row_of(world->user_id, world->users, feed->user_id);
    feed->creator = row_of(world->creator_id, world->creators, feed->user_id);
    tf_look_up(world, feed->user, feed->seed, &viewer);
    tf_spread(world, &viewer, scratch);
    gather(world, scratch, feed);
    toss(feed);
    int32_t filled = fill(world, &viewer, scratch, feed);
    if (filled == feed->size) describe(world, &viewer, scratch, feed);
    forget(scratch, feed, world->flows, filled);
    tf_unspread(world, &viewer, scratch);
    return filled;
}
