/* The scoring kernel. `reference.py` beside it says the same in plain numpy; tests hold the two together.
 *
 * Rows are worked through in blocks that stay in the first-level cache: pair features into five small columns, one
 * score column, then a scan against the k-th best score so far. Sums are written out in a fixed order, so that all
 * vector widths give the same bits.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel.h"

#define BLOCK TF_BLOCK
#define LANES 8
#define BUCKETS 256 /* of a sort */
#define CROWD 16    /* entries that insertion sorts fast */
#define PAIRS TF_PAIRS
#define WORD 8 /* bytes looked at together */
#define SLACK 2e-5f /* more than float32 may round a score up by, relative and absolute */

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define EVERY_WIDTH __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EVERY_WIDTH
#endif

/* Eight floats side by side; aligned like a float, because rows of the snapshot are. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

typedef struct {
    uint64_t key;
    int64_t row;
} entry;
_Static_assert(sizeof(entry) == TF_ENTRY_BYTES, "a list's room is measured in entries");

static inline uint32_t mix(uint32_t h) {
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    return h;
}

static inline float uniform(uint32_t row, uint32_t key_a, uint32_t key_b) {
    return (float)(int32_t)(mix(mix(row + key_a) ^ key_b) >> 8) * 0x1p-24f;
}

#define GOLDEN 0x9e3779b97f4a7c15ull

static inline uint64_t splitmix_finish(uint64_t state) {
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
    state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
    return state ^ (state >> 31);
}

static inline uint64_t splitmix(uint64_t state) { return splitmix_finish(state + GOLDEN); }

static inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter) {
    return splitmix(splitmix(seed ^ (stream << 56)) + counter);
}

static inline double unit_interval(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

/* Orders like the float, then by the seed's tie-break, which is different for every row. */
static inline uint64_t order_key(float score, uint32_t row, uint32_t tie_key) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    bits = (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
    return ((uint64_t)bits << 32) | mix(row ^ tie_key);
}

EVERY_WIDTH
static void skill_dots(const tf_world *world, const tf_viewer *viewer, float *restrict dot) {
    const int32_t width = world->width;
    const float *restrict b = viewer->embedding;
    for (int32_t s = 0; s < world->skills; s++) {
        const float *restrict a = world->skill_vector + (int64_t)s * width;
        lanes lane = {0};
        for (int32_t i = 0; i < width; i += LANES) lane += *(const lanes *)(a + i) * *(const lanes *)(b + i);
        dot[s] = ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
    }
}

/* -1 never equals: an unknown place of the viewer is replaced by a code that no video has. */
static inline int32_t known_place(int32_t code) { return code < 0 ? -2 : code; }

static inline float clipped(float x) { return x < 0.0f ? 0.0f : (x > 1.0f ? 1.0f : x); }

/* A video's vector is a weighted sum of its skills' vectors, so its cosine is the weighted sum of theirs: a few
   multiplications a video instead of `width`. Block by block, so that each is clipped while it is at hand. */
EVERY_WIDTH
static void similarities(const tf_world *world, const float *restrict dot, float *restrict out) {
    const int64_t n = world->videos;
    const int32_t *restrict s0 = world->skill, *restrict s1 = s0 + n, *restrict s2 = s1 + n, *restrict s3 = s2 + n;
    const float *restrict w0 = world->skill_weight, *restrict w1 = w0 + n, *restrict w2 = w1 + n,
                          *restrict w3 = w2 + n;
    int32_t m = 0;
    for (int64_t from = 0; from < n; from += BLOCK) {
        const int64_t to = n - from < BLOCK ? n : from + BLOCK;
        for (int64_t i = from; i < to; i++)
            out[i] = ((w0[i] * dot[s0[i]] + w1[i] * dot[s1[i]]) + w2[i] * dot[s2[i]]) + w3[i] * dot[s3[i]];
        for (; m < world->more && world->more_video[m] < to; m++)
            out[world->more_video[m]] += world->more_weight[m] * dot[world->more_skill[m]];
        for (int64_t i = from; i < to; i++) out[i] = clipped(out[i]);
    }
}

/* Notes how near the creator is that this person is, if any. Without branches: most people at two hops are none. */
static inline void meet(const tf_world *world, tf_scratch *scratch, int32_t person, float nearness) {
    int32_t creator = world->user_creator[person], known = creator >= 0;
    float *held = &scratch->nearness[known ? creator : 0];
    float more = known ? nearness : 0.0f;
    scratch->met[scratch->met_count] = creator;
    scratch->met_count += (*held == 0.0f) & known;
    *held = *held < more ? more : *held;
}

/* What friends liked adds to what their creators' nearness gives. */
static void spread_likes(const tf_world *world, tf_scratch *scratch, int32_t person) {
    for (int64_t p = world->liked_start[person]; p < world->liked_start[person + 1]; p++) {
        int32_t video = world->liked_video[p];
        float *held = &scratch->social[video], nearness = scratch->nearness[world->creator[video]];
        *held = (*held < nearness ? nearness : *held) + world->social_like;
    }
}

void tf_spread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    if (viewer->embedding) {
        skill_dots(world, viewer, scratch->skill_dot);
        similarities(world, scratch->skill_dot, scratch->similarity);
    } else {
        memset(scratch->similarity, 0, sizeof(float) * (size_t)world->videos);
    }
    for (int32_t t = 0; t < viewer->terms; t++) {
        int32_t term = viewer->term[t];
        for (int64_t p = world->term_start[term]; p < world->term_start[term + 1]; p++)
            scratch->match[world->term_video[p]] += world->term_weight[p];
    }
    scratch->met_count = 0;
    if (viewer->user < 0) return;
    const int64_t *start = world->friend_start;
    int64_t from = start[viewer->user], to = start[viewer->user + 1];
    for (int64_t f = from; f < to; f++) {
        int32_t person = world->friend_user[f];
        meet(world, scratch, person, 1.0f);
        for (int64_t g = start[person]; g < start[person + 1]; g++) meet(world, scratch, world->friend_user[g], 0.5f);
    }
    for (int64_t f = from; f < to; f++) spread_likes(world, scratch, world->friend_user[f]);
}

void tf_unspread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    for (int32_t t = 0; t < viewer->terms; t++) {
        int32_t term = viewer->term[t];
        for (int64_t p = world->term_start[term]; p < world->term_start[term + 1]; p++)
            scratch->match[world->term_video[p]] = 0.0f;
    }
    for (int32_t m = 0; m < scratch->met_count; m++) scratch->nearness[scratch->met[m]] = 0.0f;
    scratch->met_count = 0;
    if (viewer->user < 0) return;
    for (int64_t f = world->friend_start[viewer->user]; f < world->friend_start[viewer->user + 1]; f++) {
        int32_t person = world->friend_user[f];
        for (int64_t p = world->liked_start[person]; p < world->liked_start[person + 1]; p++)
            scratch->social[world->liked_video[p]] = 0.0f;
    }
}

void tf_look_up(const tf_world *world, int32_t user, uint64_t seed, tf_viewer *viewer) {
    memset(viewer, 0, sizeof *viewer);
    viewer->user = user;
    viewer->city = viewer->country = -1;
    viewer->key_a = (uint32_t)random_bits(seed, TF_FEATURE_A, 0);
    viewer->key_b = (uint32_t)random_bits(seed, TF_FEATURE_B, 0);
    viewer->tie_key = (uint32_t)random_bits(seed, TF_TIE, 0);
    if (user < 0) return;
    viewer->city = world->user_city[user];
    viewer->country = world->user_country[user];
    viewer->term = world->user_term + world->user_term_start[user];
    viewer->terms = (int32_t)(world->user_term_start[user + 1] - world->user_term_start[user]);
    const float *embedding = world->user_embedding + (int64_t)user * world->width;
    for (int32_t i = 0; i < world->width && !viewer->embedding; i++)
        if (embedding[i] != 0.0f) viewer->embedding = embedding;
}

int32_t tf_mark(uint8_t *flags, const int32_t *rows, int32_t count, uint8_t flag) {
    int32_t fresh = 0;
    for (int32_t i = 0; i < count; i++) {
        fresh += flags[rows[i]] == 0;
        flags[rows[i]] |= flag;
    }
    return fresh;
}

/* social_signal: likes are added to the nearness where there are any, so the sum is never below it. */
static inline float signal(float liked, float nearness) { return clipped(liked < nearness ? nearness : liked); }

/* The pair features of these videos. */
EVERY_WIDTH
static void pair_block(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, const int32_t *rows,
                       int32_t count, float (*restrict d)[BLOCK]) {
    const float *restrict similarity = scratch->similarity, *restrict match = scratch->match;
    const float *restrict social = scratch->social, *restrict nearness = scratch->nearness;
    const int32_t *restrict city = world->city, *restrict country = world->country, *restrict creator = world->creator;
    const int32_t my_city = known_place(viewer->city), my_country = known_place(viewer->country);
    const uint32_t key_a = viewer->key_a, key_b = viewer->key_b;
    for (int32_t i = 0; i < count; i++) d[0][i] = similarity[rows[i]];
    for (int32_t i = 0; i < count; i++) d[1][i] = clipped(match[rows[i]]);
    for (int32_t i = 0; i < count; i++)
        d[2][i] = city[rows[i]] == my_city ? 1.0f : (country[rows[i]] == my_country ? 0.5f : 0.0f);
    for (int32_t i = 0; i < count; i++) d[3][i] = signal(social[rows[i]], nearness[creator[rows[i]]]);
    for (int32_t i = 0; i < count; i++) d[4][i] = uniform((uint32_t)rows[i], key_a, key_b);
}

/* The same of the videos from, from + 1, ...: side by side in memory. */
EVERY_WIDTH
static void pair_stretch(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, int32_t from,
                         int32_t count, float (*restrict d)[BLOCK]) {
    const float *restrict similarity = scratch->similarity + from, *restrict match = scratch->match + from;
    const float *restrict social = scratch->social + from, *restrict nearness = scratch->nearness;
    const int32_t *restrict city = world->city + from, *restrict country = world->country + from;
    const int32_t *restrict creator = world->creator + from;
    const int32_t my_city = known_place(viewer->city), my_country = known_place(viewer->country);
    const uint32_t key_a = viewer->key_a, key_b = viewer->key_b;
    for (int32_t i = 0; i < count; i++) d[0][i] = similarity[i];
    for (int32_t i = 0; i < count; i++) d[1][i] = clipped(match[i]);
    for (int32_t i = 0; i < count; i++)
        d[2][i] = city[i] == my_city ? 1.0f : (country[i] == my_country ? 0.5f : 0.0f);
    for (int32_t i = 0; i < count; i++) d[3][i] = signal(social[i], nearness[creator[i]]);
    for (int32_t i = 0; i < count; i++) d[4][i] = uniform((uint32_t)(from + i), key_a, key_b);
}

/* The scores of `count` entries: at[0..], or from, from + 1, ... where at is NULL. */
EVERY_WIDTH
static void score_block(const tf_table *table, const int32_t *at, int32_t from, int32_t count,
                        float (*restrict d)[BLOCK], float *restrict score) {
    const float *c = table->c, *l = table->l;
    const int64_t n = table->entries;
    float copy[7][BLOCK];
    const float *restrict base = table->base + from, *restrict rest = table->rest + from;
    const float *restrict v0 = table->v + from, *restrict v1 = v0 + n, *restrict v2 = v1 + n;
    const float *restrict v3 = v2 + n, *restrict v4 = v3 + n;
    if (at) {
        for (int32_t i = 0; i < count; i++) {
            copy[0][i] = table->base[at[i]];
            copy[1][i] = table->rest[at[i]];
            for (int j = 0; j < PAIRS; j++) copy[2 + j][i] = table->v[j * n + at[i]];
        }
        base = copy[0], rest = copy[1], v0 = copy[2], v1 = copy[3], v2 = copy[4], v3 = copy[5], v4 = copy[6];
    }
    for (int32_t i = 0; i < count; i++) {
        float a = d[0][i], b = d[1][i], e = d[2][i], f = d[3][i], g = d[4][i];
        float w0 = v0[i] + ((((l[0] * a + l[5] * b) + l[10] * e) + l[15] * f) + l[20] * g);
        float w1 = v1[i] + (((l[6] * b + l[11] * e) + l[16] * f) + l[21] * g);
        float w2 = v2[i] + ((l[12] * e + l[17] * f) + l[22] * g);
        float w3 = v3[i] + (l[18] * f + l[23] * g);
        float w4 = v4[i] + l[24] * g;
        float q = rest[i] + ((((w0 * w0 + w1 * w1) + w2 * w2) + w3 * w3) + w4 * w4);
        float mean = base[i] + ((((c[0] * a + c[1] * b) + c[2] * e) + c[3] * f) + c[4] * g);
        score[i] = mean + sqrtf(q);
    }
}

/* Into buckets by the key's distance to the largest, largest first; a crowded bucket is spread out again. */
static void spread_out(entry *list, entry *spare, int32_t count) {
    uint64_t least = UINT64_MAX, most = 0;
    int32_t ends[BUCKETS + 1] = {0}, shift = 0;
    for (int32_t i = 0; i < count; i++) {
        least = list[i].key < least ? list[i].key : least;
        most = list[i].key > most ? list[i].key : most;
    }
    while ((most - least) >> shift >= BUCKETS) shift++;
    for (int32_t i = 0; i < count; i++) ends[((most - list[i].key) >> shift) + 1]++;
    for (int32_t i = 0; i < BUCKETS; i++) ends[i + 1] += ends[i];
    memcpy(spare, list, sizeof(entry) * (size_t)count);
    for (int32_t i = 0; i < count; i++) list[ends[(most - spare[i].key) >> shift]++] = spare[i];
    for (int32_t i = 0, from = 0; i < BUCKETS && shift; from = ends[i++])
        if (ends[i] - from > CROWD) spread_out(list + from, spare, ends[i] - from);
}

/* Largest key first. Keys differ, so the order is one and only. `spare` holds as many entries as the list. */
static void sort_descending(entry *list, entry *spare, int32_t count) {
    if (count > CROWD) spread_out(list, spare, count);
    for (int32_t i = 1; i < count; i++) {
        entry held = list[i];
        int32_t j = i;
        for (; j > 0 && list[j - 1].key < held.key; j--) list[j] = list[j - 1];
        list[j] = held;
    }
}

static float score_of(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits = (bits & 0x80000000u) ? bits & 0x7fffffffu : ~bits;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* Counts a candidate into its bin. */
static inline void count_in(tf_list *best, float score) {
    float place = (score - best->low) * best->scale;
    int32_t bin = place < TF_BINS - 1 ? (int32_t)place : TF_BINS - 1;
    best->count[bin]++;
    best->least[bin] = score < best->least[bin] ? score : best->least[bin];
}

/* Raises the threshold to the lowest bin that the k best may reach down to: at least k candidates are as good as the
   least in it. */
static void raise_threshold(tf_list *best) {
    while (best->above - best->count[best->bin] >= best->k) best->above -= best->count[best->bin++];
    if (best->least[best->bin] > best->threshold) best->threshold = best->least[best->bin];
}

/* Bins for the range of the candidates there are, once there are k. */
static void calibrate(tf_list *best) {
    const entry *list = best->room;
    float low = INFINITY, high = -INFINITY;
    for (int32_t i = 0; i < best->length; i++) {
        float score = score_of(list[i].key);
        low = score < low ? score : low;
        high = score > high ? score : high;
    }
    best->low = low;
    best->scale = high > low ? (TF_BINS - 1) / (high - low) : 0.0f;
    if (!(best->scale < 1e30f)) best->scale = 0.0f;
    best->bin = 0;
    best->above = best->length;
    for (int32_t i = 0; i < TF_BINS; i++) best->count[i] = 0, best->least[i] = INFINITY;
    for (int32_t i = 0; i < best->length; i++) count_in(best, score_of(list[i].key));
    raise_threshold(best);
}

/* Drops the candidates below the threshold. */
static void compact(tf_list *best) {
    entry *list = best->room;
    int32_t kept = 0;
    for (int32_t i = 0; i < best->length; i++) {
        float score = score_of(list[i].key);
        list[kept] = list[i];
        kept += score >= best->threshold;
    }
    best->length = kept;
}

/* Sorts the candidates and keeps the k best. */
static void cut(tf_list *best) {
    entry *list = best->room;
    sort_descending(list, list + 2 * best->k + BLOCK, best->length);
    if (best->length < best->k) return;
    best->length = best->k;
    best->threshold = score_of(list[best->k - 1].key);
}

/* Which of the scores reach the threshold. No branch: it is hard to foresee. */
EVERY_WIDTH
static int32_t passing_entries(const float *restrict score, float threshold, int32_t count, int32_t *restrict passing) {
    int32_t any = 0, found = 0;
    for (int32_t i = 0; i < count; i++) any += score[i] >= threshold;
    if (!any) return 0;
    for (int32_t i = 0; i < count; i++) {
        passing[found] = i;
        found += score[i] >= threshold;
    }
    return found;
}

/* Appends those of the scored rows (rows[0..], or from, from + 1, ... where rows is NULL) that may still
   be among the k best, and makes room for the next block. */
static void gather_block(tf_list *best, const float *score, const int32_t *rows, int32_t from, int32_t count,
                         uint32_t tie_key) {
    entry *list = (entry *)best->room + best->length;
    int32_t passing[BLOCK];
    const int32_t found = passing_entries(score, best->threshold, count, passing);
    for (int32_t i = 0; i < found; i++) {
        int32_t row = rows ? rows[passing[i]] : from + passing[i];
        list[i].key = order_key(score[passing[i]], (uint32_t)row, tie_key);
        list[i].row = row;
    }
    if (!found) return;
    int32_t before = best->length;
    best->length += found;
    if (best->length < best->k) return;
    if (before < best->k) {
        calibrate(best);
    } else {
        for (int32_t i = 0; i < found; i++) count_in(best, score_of(list[i].key));
        best->above += found;
        raise_threshold(best);
    }
    if (best->length < 2 * best->k) return;
    compact(best);
    if (best->length >= 2 * best->k - best->k / 4) cut(best);
    calibrate(best);
}

/* Scores these entries, whose videos are rows, and keeps the best of them. */
static void take(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, tf_list *best,
                 const int32_t *at, const int32_t *rows, int32_t count) {
    float d[PAIRS][BLOCK], score[BLOCK];
    pair_block(world, viewer, scratch, rows, count, d);
    score_block(best->table, at, 0, count, d, score);
    gather_block(best, score, rows, 0, count, viewer->tie_key);
}

/* A table in the order of its peaks: it ends where no peak reaches the k-th best score. */
static void rank_ordered(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask,
                         tf_list *best) {
    const tf_table *table = best->table;
    int32_t at[BLOCK], rows[BLOCK], count = 0;
    for (int32_t i = 0; i < table->entries; i++) {
        if (table->peak[i] < best->threshold) break;
        at[count] = i;
        rows[count] = table->row[i];
        count += (scratch->flags[table->row[i]] & mask) == 0;
        if (count < BLOCK / 4) continue;
        take(world, viewer, scratch, best, at, rows, count);
        count = 0;
    }
    take(world, viewer, scratch, best, at, rows, count);
}

/* A table in the catalogue's order: similarity and match, known already, tell which entries are worth a score. Returns how
   many, and writes them to `at` unless they are more than `few`. */
EVERY_WIDTH
static int32_t promising(const tf_table *table, const tf_scratch *scratch, uint8_t mask, float threshold, int32_t from,
                         int32_t count, int32_t few, int32_t *restrict at) {
    const float *restrict peak = table->peak + from, *restrict similarity = scratch->similarity + from;
    const float *restrict match = scratch->match + from;
    const uint8_t *restrict flags = scratch->flags + from;
    const float c0 = table->c[0], c1 = table->c[1];
    uint8_t passes[BLOCK + WORD];
    int32_t any = 0, found = 0;
    for (int32_t i = 0; i < count; i++) {
        float most = peak[i] + (c0 * similarity[i] + c1 * (match[i] > 1.0f ? 1.0f : match[i]));
        passes[i] = (most >= threshold) & ((flags[i] & mask) == 0);
        any += passes[i];
    }
    if (!any || any > few) return any;
    memset(passes + count, 0, WORD);
    for (int32_t i = 0; i < count; i += WORD) {
        uint64_t word; /* most are zero: few entries pass */
        memcpy(&word, passes + i, WORD);
        for (int32_t j = i; word && j < i + WORD; j++) {
            at[found] = from + j;
            found += passes[j];
        }
    }
    return any;
}

/* Scores a whole stretch: where most entries may win, stepping over the others costs more than they do. */
static void take_stretch(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask,
                         tf_list *best, int32_t from, int32_t count) {
    float d[PAIRS][BLOCK], score[BLOCK];
    pair_stretch(world, viewer, scratch, from, count, d);
    score_block(best->table, NULL, from, count, d, score);
    for (int32_t i = 0; i < count; i++) score[i] = scratch->flags[from + i] & mask ? -INFINITY : score[i];
    gather_block(best, score, NULL, from, count, viewer->tie_key);
}

static void rank_natural(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask,
                         tf_list *best) {
    int32_t at[BLOCK];
    for (int32_t from = 0; from < world->videos; from += BLOCK) {
        int32_t count = world->videos - from < BLOCK ? world->videos - from : BLOCK;
        int32_t found = promising(best->table, scratch, mask, best->threshold, from, count, count / 4, at);
        if (found > count / 4) take_stretch(world, viewer, scratch, mask, best, from, count);
        else if (found) take(world, viewer, scratch, best, at, at, found);
    }
}

void tf_rank(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask, tf_list *lists,
             int32_t count) {
    for (int32_t t = 0; t < count; t++) {
        tf_list *best = &lists[t];
        entry *list = best->room;
        best->length = 0;
        best->threshold = -3.0e38f; /* below every finite score: minus infinity and NaN never enter */
        if (best->table->row) rank_ordered(world, viewer, scratch, mask, best);
        else rank_natural(world, viewer, scratch, mask, best);
        compact(best);
        cut(best);
        for (int32_t i = 0; i < best->length; i++) {
            best->rows[i] = (int32_t)list[i].row;
            best->scores[i] = score_of(list[i].key);
        }
    }
}

void tf_peaks(const tf_table *table, int32_t without, float *peak) {
    float d[PAIRS][BLOCK], score[BLOCK];
    tf_table still = *table;
    for (int j = 0; j < without; j++) still.c[j] = 0.0f;
    for (int32_t from = 0; from < table->entries; from += BLOCK) {
        int32_t count = table->entries - from < BLOCK ? table->entries - from : BLOCK;
        for (int32_t i = 0; i < count; i++) peak[from + i] = -INFINITY;
        for (int corner = 0; corner < 1 << PAIRS; corner++) {
            for (int j = 0; j < PAIRS; j++)
                for (int32_t i = 0; i < count; i++) d[j][i] = (float)(corner >> j & 1);
            score_block(&still, NULL, from, count, d, score);
            for (int32_t i = 0; i < count; i++) peak[from + i] = score[i] > peak[from + i] ? score[i] : peak[from + i];
        }
        for (int32_t i = 0; i < count; i++) peak[from + i] += SLACK + SLACK * fabsf(peak[from + i]);
    }
}

int32_t tf_allowed(const tf_world *world, const tf_scratch *scratch, const int32_t *rows, int32_t count, int32_t limit,
                   uint8_t mask, int32_t position, int32_t window, int32_t *indices) {
    int32_t found = 0;
    for (int32_t i = 0; i < count && found < limit; i++) {
        int32_t row = rows[i];
        if (scratch->flags[row] & mask) continue;
        if (position - scratch->creator_last[world->creator[row]] < window) continue;
        indices[found++] = i;
    }
    return found;
}

int32_t tf_open_rows(const tf_world *world, const tf_scratch *scratch, const int32_t *creators, int32_t count,
                     uint8_t mask) {
    int32_t open = 0;
    for (int32_t i = 0; i < count; i++)
        for (int64_t p = world->creator_start[creators[i]]; p < world->creator_start[creators[i] + 1]; p++)
            open += (scratch->flags[world->creator_video[p]] & mask) == 0;
    return open;
}

void tf_pair_features(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, const int32_t *rows,
                      int32_t count, float *features) {
    float d[PAIRS][BLOCK];
    for (int32_t i = 0; i < count; i++) {
        pair_block(world, viewer, scratch, rows + i, 1, d);
        for (int p = 0; p < PAIRS; p++) features[i * PAIRS + p] = d[p][0];
    }
}

#include "draft.c"
#include "render.c"
