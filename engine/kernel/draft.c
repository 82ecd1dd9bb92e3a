/* Fills a feed while every rule holds: `engine.assemble` without its ladder, in the same order, from the same draws.
 * Included by kernel.c.
 */

/* Gauss-Legendre quadrature of order 8 on [-1, 1]. */
static const double ABSCISSA[TF_NODES] = {-0.96028985649753618, -0.79666647741362673, -0.52553240991632899,
                                       -0.18343464249564978, 0.18343464249564978,  0.52553240991632899,
                                       0.79666647741362673,  0.96028985649753618};
static const double WEIGHT[TF_NODES] = {0.10122853629037669, 0.22238103445337434, 0.31370664587788705,
                                     0.36268378337836177, 0.36268378337836177, 0.31370664587788705,
                                     0.22238103445337434, 0.10122853629037669};

/* What a slot's pool offers: candidates, their scores, their chances. */
typedef struct {
    int32_t count;
    int32_t rows[TF_MOST_CANDIDATES];
    double scores[TF_MOST_CANDIDATES];
    double chances[TF_MOST_CANDIDATES]; /* softmax only, up to a common factor; the sum is total */
    double total;
} offer;

static inline uint64_t splitmix_finish(uint64_t state) {
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
    state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
    return state ^ (state >> 31);
}

static inline uint64_t splitmix(uint64_t state) { return splitmix_finish(state + 0x9e3779b97f4a7c15ull); }

static inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter) {
    return splitmix(splitmix(seed ^ (stream << 56)) + counter);
}

static inline double unit_interval(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

static double draw(const tf_feed *feed, uint64_t stream, int32_t position, uint64_t attempt) {
    return unit_interval(random_bits(feed->seed, stream, ((uint64_t)position << 32) + attempt));
}

static int near(const tf_scratch *scratch, int32_t creator, int32_t position, int32_t window) {
    return position - scratch->creator_last[creator] < window;
}

static int refused(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t row, int32_t position) {
    return scratch->flags[row] || near(scratch, world->creator[row], position, feed->window);
}

/* How many videos no rule refuses: those without a flag, less those of the creators placed just before. */
static int32_t eligible(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, int32_t position) {
    int32_t creators[TF_MOST_WINDOW], count = 0;
    for (int32_t i = feed->recent - 1; i >= 0 && position - feed->recent_position[i] < feed->window; i--) {
        int32_t creator = feed->recent_creator[i], known = 0;
        for (int32_t j = 0; j < count; j++) known |= creators[j] == creator;
        if (!known && count < TF_MOST_WINDOW) creators[count++] = creator;
    }
    return feed->open_videos - tf_open_rows(world, scratch, creators, count, 0xff);
}

/* The pool's best candidates that no rule refuses; 0 when it has none or is not ranked deep enough. */
static int32_t offer_videos(const tf_world *world, const tf_scratch *scratch, const tf_feed *feed, const tf_pool *pool,
                            int32_t position, offer *out) {
    out->count = 0;
    out->total = 0.0;
    if (pool->limit > TF_MOST_CANDIDATES) return 0;
    for (int32_t i = 0; i < pool->count && out->count < pool->limit; i++) {
        if (refused(world, scratch, feed, pool->rows[i], position)) continue;
        out->rows[out->count] = pool->rows[i];
        out->scores[out->count] = pool->scores[i];
        if (pool->weights) out->total += out->chances[out->count] = pool->weights[i];
        out->count++;
    }
    if (out->count < pool->limit && !pool->complete) out->count = 0;
    return out->count;
}

static int32_t choose(const tf_pool *pool, const offer *from, double drawn) {
    if (pool->pick == TF_TOP || from->count == 1) return 0;
    if (pool->pick == TF_UNIFORM) {
        int32_t index = (int32_t)(drawn * from->count);
        return index < from->count ? index : from->count - 1;
    }
    double sum = 0.0;
    for (int32_t i = 0; i < from->count; i++)
        if ((sum += from->chances[i]) > drawn * from->total) return i;
    return from->count - 1;
}

static double chance_of(const tf_pool *pool, const offer *from, int32_t index) {
    if (index < 0) return 0.0;
    if (pool->pick == TF_TOP) return index == 0 ? 1.0 : 0.0;
    return pool->pick == TF_UNIFORM ? 1.0 / from->count : from->chances[index] / from->total;
}

static int32_t index_of(const offer *from, int32_t row) {
    for (int32_t i = 0; i < from->count; i++)
        if (from->rows[i] == row) return i;
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

static int32_t fill_video(const tf_world *world, tf_scratch *scratch, tf_feed *feed, int32_t position, offer *from) {
    const tf_pool *pool = &feed->pools[feed->slot[position]];
    const double rate = pool->pick == TF_EXPLORE ? 1.0 : feed->explore_rate;
    if (pool->pick != TF_EXPLORE && !offer_videos(world, scratch, feed, pool, position, from)) return 0;
    int32_t open = eligible(world, scratch, feed, position), index = -1, row;
    if (open <= 0) return 0;
    feed->explored[position] = pool->pick == TF_EXPLORE || feed->turned[position];
    if (feed->explored[position]) {
        row = explore(world, scratch, feed, position, open);
        if (row < 0) return 0;
        if (pool->pick != TF_EXPLORE) index = index_of(from, row);
    } else {
        index = choose(pool, from, draw(feed, TF_CHOICE, position, 0));
        row = from->rows[index];
        feed->score[position] = from->scores[index];
    }
    double own = pool->pick == TF_EXPLORE ? 0.0 : chance_of(pool, from, index);
    feed->chance[position] = (1.0 - rate) * own + rate / open;
    feed->row[position] = row;
    scratch->flags[row] |= feed->repeat_flag;
    feed->open_videos--;
    return 1;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The chance that head start `own` plus U(0, width) beats all others: see engine/pools/fw.py. Overwrites both arrays:
   those beaten for certain are left out of `head`. */
EVERY_WIDTH
static double winning(double *ceiling, double *head, int32_t count, double own, double width) {
    const double per_width = 1.0 / width;
    double low = head[0], high = own + width, edges[TF_MOST_PANELS + 3], total = 0.0;
    for (int32_t i = 1; i < count; i++) low = head[i] > low ? head[i] : low;
    if (low >= high) return 0.0;
    int32_t rivals = 0, kinks = 0, panels = 0;
    for (int32_t i = 0; i < count; i++) {
        if (head[i] + width <= low) continue;
        head[rivals++] = head[i];
        if (head[i] + width < high) ceiling[kinks++] = head[i] + width;
    }
    qsort(ceiling, (size_t)kinks, sizeof(double), ascending);
    edges[0] = low;
    for (int32_t i = 0; i < kinks; i += 1 + rivals / TF_MOST_PANELS) edges[++panels] = ceiling[i];
    edges[++panels] = high;
    for (int32_t p = 0; p < panels; p++) {
        double half = 0.5 * (edges[p + 1] - edges[p]);
        double score[TF_NODES], beaten[TF_NODES];
        for (int j = 0; j < TF_NODES; j++) {
            score[j] = half * ABSCISSA[j] + (edges[p] + half);
            beaten[j] = 1.0;
        }
        for (int32_t i = 0; i < rivals; i++)
            for (int j = 0; j < TF_NODES; j++) {
                double share = (score[j] - head[i]) * per_width;
                beaten[j] *= share < 1.0 ? share : 1.0;
            }
        for (int j = 0; j < TF_NODES; j++) total += beaten[j] / ((score[j] - own) / width) * half * WEIGHT[j];
    }
    return total / width < 1.0 ? total / width : 1.0;
}

static int32_t fill_flow(tf_scratch *scratch, tf_feed *feed, int32_t position) {
    uint64_t state = random_bits(feed->seed, TF_FLOW_DRAW, (uint64_t)position << 32);
    double *head = feed->flow_head, best = -1.0;
    int32_t taken = 0, count = 0;
    for (int32_t row = 0; row < feed->flows; row++) {
        if (feed->flow_flags[row] || near(scratch, feed->flow_creator[row], position, feed->window)) continue;
        double uniform_draw = unit_interval(splitmix_finish(state + (uint64_t)row * 0x9e3779b97f4a7c15ull));
        head[count] = feed->flow_bonus * (double)feed->flow_temporal[row];
        double score = feed->flow_random * uniform_draw + head[count];
        if (score > best) best = score, taken = count;
        feed->flow_rows[count++] = row;
    }
    if (!count) return 0;
    feed->explored[position] = feed->turned[position];
    feed->score[position] = best;
    if (feed->explored[position]) taken = (int32_t)(draw(feed, TF_EXPLORE_DRAW, position, 0) * count);
    double own = winning(feed->flow_ceiling, head, count, head[taken], feed->flow_random);
    feed->chance[position] = (1.0 - feed->explore_rate) * own + feed->explore_rate / count;
    feed->row[position] = feed->flow_rows[taken];
    feed->flow_flags[feed->flow_rows[taken]] |= feed->repeat_flag;
    return 1;
}

int32_t tf_draft(const tf_world *world, tf_scratch *scratch, tf_feed *feed) {
    offer from;
    from.count = 0;
    from.total = 0.0;
    for (int32_t position = 0; position < feed->size; position++) {
        int flow = feed->pools[feed->slot[position]].pick == TF_FLOWS;
        int32_t filled = flow ? fill_flow(scratch, feed, position)
                              : fill_video(world, scratch, feed, position, &from);
        if (!filled) return position;
        int32_t creator = flow ? feed->flow_creator[feed->row[position]] : world->creator[feed->row[position]];
        scratch->creator_last[creator] = position;
        feed->recent_creator[feed->recent] = creator;
        feed->recent_position[feed->recent++] = position;
    }
    return feed->size;
}
