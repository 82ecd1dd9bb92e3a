/* The scoring kernel. `reference.py` beside it says the same in plain numpy; tests hold the two together.
 *
 * Rows are worked through in blocks that stay in the first-level cache: pair features into five small columns, one
 * score column, then a scan against the k-th best score so far. Sums are written out in a fixed order, so that all
 * vector widths give the same bits.
 */
#include <float.h>
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
#define LINE 16   /* numbers of four bytes in a line of the cache */
#define WORD 8    /* bytes looked at together */
#define CLOSE 3   /* one of so many entries at most is looked at by itself */
#define PATIENCE 4 /* stretches until a useless bound is tried again */
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

/* The largest absolute value. Without their signs floats are ordered like their bits, which go side by side. */
EVERY_WIDTH
static float largest_size(const float *values, int32_t count) {
    int32_t most = 0;
    float largest;
    for (int32_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* -1 never equals: an unknown place of the viewer is replaced by a code that no video has. */
static inline int32_t known_place(int32_t code) { return code < 0 ? -2 : code; }

static inline float clipped(float x) { return x < 0.0f ? 0.0f : (x > 1.0f ? 1.0f : x); }

/* Notes how near the creators are that these people are. Without branches, as most people at two hops made nothing, and
   without waiting for what was noted before: who is met first must be further away. */
static int32_t meet(const tf_world *world, const int32_t *restrict people, int64_t count, float nearness,
                    float *restrict held, int32_t *restrict met, int32_t met_count) {
    for (int64_t i = 0; i < count; i++) {
        int32_t creator = world->user_creator[people[i]]; /* -1 is met already */
        met[met_count] = creator;
        met_count += held[creator] == 0.0f;
        held[creator] = nearness;
    }
    return met_count;
}

/* Asks for the beginning of a list that lies far from others: memory is read while there is something else to do. */
static inline void await_list(const int32_t *list, int64_t count) {
    for (int64_t i = 0; i < count && i < 4 * LINE; i += LINE) __builtin_prefetch(list + i);
    if (count) __builtin_prefetch(list + (count < 4 * LINE ? count : 4 * LINE) - 1);
}

/* The same of all that a viewer's spread reads. */
static void await_lists(const tf_world *world, const tf_viewer *viewer) {
    for (int32_t t = 0; t < viewer->terms; t++) {
        int64_t from = world->term_start[viewer->term[t]], count = world->term_start[viewer->term[t] + 1] - from;
        await_list(world->term_video + from, count);
        await_list((const int32_t *)(world->term_weight + from), count);
    }
    if (viewer->user < 0) return;
    for (int64_t f = world->friend_start[viewer->user]; f < world->friend_start[viewer->user + 1]; f++) {
        const int64_t *theirs = world->friend_start + world->friend_user[f], *liked = world->liked_start + world->friend_user[f];
        await_list(world->friend_user + theirs[0], theirs[1] - theirs[0]);
        await_list(world->liked_video + liked[0], liked[1] - liked[0]);
    }
}

/* What friends liked adds to what their creators' nearness gives. */
static void spread_likes(const tf_world *world, tf_scratch *scratch, int32_t person) {
    for (int64_t p = world->liked_start[person]; p < world->liked_start[person + 1]; p++) {
        int32_t video = world->liked_video[p];
        float *held = &scratch->social[video], nearness = scratch->nearness[world->creator[video]];
        *held = (*held < nearness ? nearness : *held) + world->social_like;
    }
}

/* Adds up the weights of the viewer's terms in each video that they name. Without branches: which term is the first to
   name a video is hard to foresee. */
static void spread_terms(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    float *restrict match = scratch->match, best_match = 0.0f;
    int32_t *restrict matched = scratch->matched, count = 0;
    for (int32_t t = 0; t < viewer->terms; t++) {
        int64_t end = world->term_start[viewer->term[t] + 1];
        for (int64_t p = world->term_start[viewer->term[t]]; p < end; p++) {
            int32_t video = world->term_video[p];
            float before = match[video], after = before + world->term_weight[p];
            match[video] = after;
            matched[count] = video;
            count += (before == 0.0f) & (after > 0.0f);
            best_match = after > best_match ? after : best_match;
        }
    }
    scratch->matched_count = count;
    scratch->best_match = best_match;
}

/* Friends of friends, friends, and what friends liked. */
static void spread_friends(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    const int64_t *start = world->friend_start, count = start[viewer->user + 1] - start[viewer->user];
    const int32_t *friends = world->friend_user + start[viewer->user];
    int32_t met = 0;
    for (int64_t f = 0; f < count; f++) {
        int64_t first = start[friends[f]], theirs = start[friends[f] + 1] - first;
        met = meet(world, world->friend_user + first, theirs, 0.5f, scratch->nearness, scratch->met, met);
    }
    scratch->met_count = meet(world, friends, count, 1.0f, scratch->nearness, scratch->met, met);
    for (int64_t f = 0; f < count; f++) spread_likes(world, scratch, friends[f]);
}

void tf_spread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    await_lists(world, viewer);
    if (viewer->embedding) skill_dots(world, viewer, scratch->skill_dot);
    else memset(scratch->skill_dot, 0, sizeof(float) * (size_t)world->skills);
    scratch->largest_dot = largest_size(scratch->skill_dot, world->skills);
    spread_terms(world, viewer, scratch);
    scratch->met_count = 0;
    if (viewer->user >= 0) spread_friends(world, viewer, scratch);
}

/* Writes nearness to the videos of the creators themselves, where whole stretches of videos are read. */
static void spread_nearness(const tf_world *world, tf_scratch *scratch) {
    if (scratch->near_videos) return;
    scratch->near_videos = 1;
    for (int32_t m = 0; m < scratch->met_count; m++) {
        int32_t creator = scratch->met[m];
        for (int64_t p = world->creator_start[creator]; p < world->creator_start[creator + 1]; p++) {
            float *held = &scratch->social[world->creator_video[p]];
            *held = *held < scratch->nearness[creator] ? scratch->nearness[creator] : *held;
        }
    }
}

void tf_unspread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    for (int32_t m = 0; m < scratch->matched_count; m++) scratch->match[scratch->matched[m]] = 0.0f;
    scratch->matched_count = 0;
    for (int32_t m = 0; m < scratch->met_count; m++) {
        int32_t creator = scratch->met[m];
        scratch->nearness[creator] = 0.0f;
        for (int64_t p = world->creator_start[creator]; scratch->near_videos && p < world->creator_start[creator + 1]; p++)
            scratch->social[world->creator_video[p]] = 0.0f;
    }
    scratch->met_count = scratch->near_videos = 0;
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

/* Columns of videos side by side: of the catalogue's, or of those that a table begins with. */
typedef struct {
    int64_t length;
    const int32_t *skill;  /* [4][length] */
    const float *weight;   /* [4][length] */
    const int32_t *city, *country, *creator;
} video_columns;

static video_columns of_catalogue(const tf_world *world) {
    video_columns all = {world->videos, world->skill, world->skill_weight, world->city, world->country, world->creator};
    return all;
}

static video_columns of_head(const tf_table *table) {
    const int32_t *place = table->head_place;
    video_columns head = {table->head, table->head_skill, table->head_weight, place, place + table->head,
                    place + 2 * (int64_t)table->head};
    return head;
}

/* Adds the cosines of the row's skills beyond four. */
static inline float more_similarity(const tf_world *world, const float *dot, int32_t row, float sum) {
    const int32_t end = world->more_start[row / TF_STRIDE + 1];
    for (int32_t m = world->more_start[row / TF_STRIDE]; m < end && world->more_video[m] <= row; m++)
        if (world->more_video[m] == row) sum += world->more_weight[m] * dot[world->more_skill[m]];
    return sum;
}

/* skill_similarity of these videos. A video's vector is a weighted sum of its skills' vectors, so its cosine is the
   weighted sum of theirs: a few multiplications a video instead of `width`. */
EVERY_WIDTH
static void similarities(const tf_world *world, const float *restrict dot, const int32_t *restrict rows, int32_t count,
                         float *restrict out) {
    const int64_t n = world->videos;
    const int32_t *restrict s0 = world->skill, *restrict s1 = s0 + n, *restrict s2 = s1 + n, *restrict s3 = s2 + n;
    const float *restrict w0 = world->skill_weight, *restrict w1 = w0 + n, *restrict w2 = w1 + n,
                          *restrict w3 = w2 + n;
    for (int32_t i = 0; i < count; i++) {
        int32_t r = rows[i];
        out[i] = ((w0[r] * dot[s0[r]] + w1[r] * dot[s1[r]]) + w2[r] * dot[s2[r]]) + w3[r] * dot[s3[r]];
    }
    for (int32_t i = 0; i < count && world->more; i++) out[i] = more_similarity(world, dot, rows[i], out[i]);
    for (int32_t i = 0; i < count; i++) out[i] = clipped(out[i]);
}

/* The same of the videos from, from + 1, ... of the columns, which are rows[0..], or those themselves where rows is
   NULL. */
EVERY_WIDTH
static void similar_stretch(const tf_world *world, const float *restrict dot, const video_columns *of, const int32_t *rows,
                            int32_t from, int32_t count, float *restrict out) {
    const int64_t n = of->length;
    const int32_t *restrict s0 = of->skill + from, *restrict s1 = s0 + n, *restrict s2 = s1 + n, *restrict s3 = s2 + n;
    const float *restrict w0 = of->weight + from, *restrict w1 = w0 + n, *restrict w2 = w1 + n, *restrict w3 = w2 + n;
    for (int32_t i = 0; i < count; i++)
        out[i] = ((w0[i] * dot[s0[i]] + w1[i] * dot[s1[i]]) + w2[i] * dot[s2[i]]) + w3[i] * dot[s3[i]];
    for (int32_t i = 0; i < count && world->more; i++)
        out[i] = more_similarity(world, dot, rows ? rows[i] : from + i, out[i]);
    for (int32_t i = 0; i < count; i++) out[i] = clipped(out[i]);
}

/* The pair features of these videos but the first. */
EVERY_WIDTH
static void pair_block(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, const int32_t *rows,
                       int32_t count, float (*restrict d)[BLOCK]) {
    const float *restrict match = scratch->match;
    const float *restrict social = scratch->social, *restrict nearness = scratch->nearness;
    const int32_t *restrict city = world->city, *restrict country = world->country, *restrict creator = world->creator;
    const int32_t my_city = known_place(viewer->city), my_country = known_place(viewer->country);
    const uint32_t key_a = viewer->key_a, key_b = viewer->key_b;
    for (int32_t i = 0; i < count; i++) d[1][i] = clipped(match[rows[i]]);
    for (int32_t i = 0; i < count; i++)
        d[2][i] = city[rows[i]] == my_city ? 1.0f : (country[rows[i]] == my_country ? 0.5f : 0.0f);
    for (int32_t i = 0; i < count; i++) d[3][i] = signal(social[rows[i]], nearness[creator[rows[i]]]);
    for (int32_t i = 0; i < count; i++) d[4][i] = uniform((uint32_t)rows[i], key_a, key_b);
}

/* The same of a stretch of columns, as in similar_stretch; where rows is NULL, nearness is spread. */
EVERY_WIDTH
static void pair_stretch(const tf_viewer *viewer, const tf_scratch *scratch, const video_columns *of,
                         const int32_t *restrict rows, int32_t from, int32_t count, float (*restrict d)[BLOCK]) {
    const float *restrict nearness = scratch->nearness;
    const float *restrict match = scratch->match, *restrict social = scratch->social;
    const int32_t *restrict city = of->city + from, *restrict country = of->country + from;
    const int32_t *restrict creator = of->creator + from;
    const int32_t my_city = known_place(viewer->city), my_country = known_place(viewer->country);
    const uint32_t key_a = viewer->key_a, key_b = viewer->key_b;
    for (int32_t i = 0; i < count; i++)
        d[2][i] = city[i] == my_city ? 1.0f : (country[i] == my_country ? 0.5f : 0.0f);
    if (rows) {
        for (int32_t i = 0; i < count; i++) d[1][i] = clipped(match[rows[i]]);
        for (int32_t i = 0; i < count; i++) d[3][i] = signal(social[rows[i]], nearness[creator[i]]);
        for (int32_t i = 0; i < count; i++) d[4][i] = uniform((uint32_t)rows[i], key_a, key_b);
        return;
    }
    match += from, social += from;
    for (int32_t i = 0; i < count; i++) d[1][i] = clipped(match[i]);
    for (int32_t i = 0; i < count; i++) d[3][i] = clipped(social[i]);
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

/* Where a key belongs, largest first, in 16 bits. */
static inline uint32_t bucket(uint64_t key, uint64_t most, int shift) { return (uint32_t)((most - key) >> shift); }

/* Sorts by 16 bits of the key's distance to the largest, which tell most keys apart, the lower eight first; where many
   share them, these are sorted anew. */
static void spread_out(entry *list, entry *spare, int32_t count) {
    uint64_t least = UINT64_MAX, most = 0;
    int32_t low[BUCKETS + 1] = {0}, high[BUCKETS + 1] = {0};
    for (int32_t i = 0; i < count; i++) {
        least = list[i].key < least ? list[i].key : least;
        most = list[i].key > most ? list[i].key : most;
    }
    const int wide = 64 - __builtin_clzll((most - least) | 1), shift = wide > 16 ? wide - 16 : 0;
    for (int32_t i = 0; i < count; i++) {
        uint32_t place = bucket(list[i].key, most, shift);
        low[place % BUCKETS + 1]++, high[place / BUCKETS + 1]++;
    }
    for (int32_t i = 0; i < BUCKETS; i++) low[i + 1] += low[i], high[i + 1] += high[i];
    for (int32_t i = 0; i < count; i++) spare[low[bucket(list[i].key, most, shift) % BUCKETS]++] = list[i];
    for (int32_t i = 0; i < count; i++) list[high[bucket(spare[i].key, most, shift) / BUCKETS]++] = spare[i];
    for (int32_t from = 0, end; shift && from + CROWD < count; from = end) {
        const uint32_t place = bucket(list[from].key, most, shift);
        end = from + 1;
        if (bucket(list[from + CROWD].key, most, shift) != place) continue;
        for (end += CROWD; end < count && bucket(list[end].key, most, shift) == place;) end++;
        spread_out(list + from, spare, end - from);
    }
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

/* Places, from `from` on, of those that pass; passes has WORD bytes more than count. Most words are zero, as few entries
   pass; which, is hard to foresee. */
static int32_t listed(uint8_t *passes, int32_t from, int32_t count, int32_t *restrict at) {
    int32_t some[BLOCK / WORD + 1], words = 0, found = 0;
    memset(passes + count, 0, WORD);
    for (int32_t i = 0; i < count; i += WORD) {
        uint64_t word;
        memcpy(&word, passes + i, WORD);
        some[words] = i;
        words += word != 0;
    }
    for (int32_t w = 0; w < words; w++)
        for (int32_t i = some[w]; i < some[w] + WORD; i++) {
            at[found] = from + i;
            found += passes[i];
        }
    return found;
}

/* Which of the scores reach the threshold. */
EVERY_WIDTH
static int32_t passing_entries(const float *restrict score, float threshold, int32_t count, int32_t *restrict passing) {
    uint8_t passes[BLOCK + WORD];
    int32_t any = 0;
    for (int32_t i = 0; i < count; i++) any += passes[i] = score[i] >= threshold;
    return any ? listed(passes, 0, count, passing) : 0;
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

/* Scores these entries, whose videos are rows and whose similarity is in d, and keeps the best of them. */
static void take(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, tf_list *best,
                 const int32_t *at, const int32_t *rows, int32_t count, float (*d)[BLOCK]) {
    float score[BLOCK];
    pair_block(world, viewer, scratch, rows, count, d);
    score_block(best->table, at, 0, count, d, score);
    gather_block(best, score, rows, 0, count, viewer->tie_key);
}

/* No score for what is refused, or matches so much that it was ranked before. */
EVERY_WIDTH
static void shut_out(const tf_scratch *scratch, uint8_t mask, float below, const int32_t *restrict rows, int32_t from,
                     int32_t count, float *restrict score) {
    const uint8_t *restrict flags = rows ? scratch->flags : scratch->flags + from;
    const float *restrict match = scratch->match + from;
    for (int32_t i = 0; i < count && rows; i++) score[i] = flags[rows[i]] & mask ? -INFINITY : score[i];
    for (int32_t i = 0; i < count && !rows; i++)
        score[i] = (flags[i] & mask) | (match[i] >= below) ? -INFINITY : score[i];
}

/* The same of the entries from, from + 1, ... of a table that is laid out like the columns: where most entries may win,
   stepping over the others costs more than they do. */
static void take_stretch(const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask, float below, tf_list *best,
                         const video_columns *of, int32_t from, int32_t count, float (*d)[BLOCK]) {
    const int32_t *rows = best->table->row ? best->table->row + from : NULL;
    float score[BLOCK];
    pair_stretch(viewer, scratch, of, rows, from, count, d);
    score_block(best->table, NULL, from, count, d, score);
    shut_out(scratch, mask, below, rows, from, count, score);
    gather_block(best, score, rows, from, count, viewer->tie_key);
}

/* A table in the order of its peaks: it ends where no peak reaches the k-th best score. Most feeds end within its head. */
static void rank_ordered(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask,
                         tf_list *best) {
    const tf_table *table = best->table;
    const video_columns head = of_head(table);
    float d[PAIRS][BLOCK];
    int32_t at[BLOCK], rows[BLOCK], count = 0, i = 0;
    for (; i < table->head; i += count) {
        count = table->head - i < BLOCK / 4 ? table->head - i : BLOCK / 4;
        if (table->peak[i] < best->threshold) return;
        similar_stretch(world, scratch->skill_dot, &head, table->row + i, i, count, d[0]);
        take_stretch(viewer, scratch, mask, INFINITY, best, &head, i, count, d);
    }
    for (count = 0; i <= table->entries; i++) {
        int last = i == table->entries || table->peak[i] < best->threshold;
        if (last || count == BLOCK / 4) {
            similarities(world, scratch->skill_dot, rows, count, d[0]);
            take(world, viewer, scratch, best, at, rows, count, d);
            count = 0;
        }
        if (last) return;
        at[count] = i;
        rows[count] = table->row[i];
        count += (scratch->flags[table->row[i]] & mask) == 0;
    }
}

/* At least the similarity of each video of a stretch, by its first skill and the size of the others' weights. */
EVERY_WIDTH
static void similar_at_most(const tf_world *world, const tf_scratch *scratch, int32_t from, int32_t count,
                            float *restrict similar) {
    const float *restrict weight = world->skill_weight + from, *restrict dot = scratch->skill_dot;
    const int32_t *restrict skill = world->skill + from;
    const uint8_t *restrict others = world->other_weight + from;
    const float largest = scratch->largest_dot * *world->other_unit;
    for (int32_t i = 0; i < count; i++) {
        float first = weight[i] * dot[skill[i]], rest = (float)(int32_t)others[i] * largest;
        similar[i] = clipped((first + rest) + SLACK * (fabsf(first) + rest));
    }
}

/* Ranking of a table in the catalogue's order. `below` says whose turn it is: those who match less. */
typedef struct {
    tf_list *best;
    uint8_t mask;
    float below;
} natural;

/* Which entries of a stretch are worth a closer look, match being known and similarity at most `similar`. Returns how
   many. */
EVERY_WIDTH
static int32_t promising(const natural *of, const tf_scratch *scratch, int32_t from, int32_t count, float c0,
                         const float *restrict similar, uint8_t *restrict passes) {
    const tf_table *table = of->best->table;
    const float threshold = of->best->threshold, below = of->below;
    const uint8_t mask = of->mask;
    const float *restrict peak = table->peak + from, *restrict match = scratch->match + from;
    const uint8_t *restrict flags = scratch->flags + from;
    const float c1 = table->c[1];
    int32_t any = 0;
    for (int32_t i = 0; i < count; i++) {
        float most = peak[i] + (c0 * similar[i] + c1 * (match[i] > 1.0f ? 1.0f : match[i]));
        passes[i] = (most >= threshold) & (match[i] < below) & ((flags[i] & mask) == 0);
        any += passes[i];
    }
    return any;
}

/* Of these entries, those that are still worth a score when their similarity is known. */
static int32_t promising_still(const tf_world *world, const tf_scratch *scratch, const tf_list *best, int32_t count,
                               int32_t *at, float *similar) {
    const tf_table *table = best->table;
    const float c0 = table->c[0], c1 = table->c[1];
    int32_t found = 0;
    similarities(world, scratch->skill_dot, at, count, similar);
    for (int32_t i = 0; i < count; i++) {
        float match = scratch->match[at[i]];
        float most = table->peak[at[i]] + (c0 * similar[i] + c1 * (match > 1.0f ? 1.0f : match));
        at[found] = at[i];
        similar[found] = similar[i];
        found += most >= best->threshold;
    }
    return found;
}

/* Ranks those of these rows that are still worth it. */
static void take_promising(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, tf_list *best,
                           int32_t *rows, int32_t count) {
    float d[PAIRS][BLOCK];
    count = promising_still(world, scratch, best, count, rows, d[0]);
    if (count) take(world, viewer, scratch, best, rows, rows, count, d);
}

/* Of the rows that the viewer's terms name, which match at least `least`, but less than of->below, and are worth a closer
   look. */
EVERY_WIDTH
static void promising_matches(const natural *of, const tf_scratch *scratch, const int32_t *restrict rows, int32_t count,
                              float c0, float least, uint8_t *restrict passes) {
    const float *restrict peak = of->best->table->peak, *restrict match = scratch->match;
    const float threshold = of->best->threshold, below = of->below, c1 = of->best->table->c[1];
    for (int32_t i = 0; i < count; i++) {
        float own = match[rows[i]], most = peak[rows[i]] + (c0 + c1 * (own > 1.0f ? 1.0f : own));
        passes[i] = (most >= threshold) & (own >= least) & (own < below);
    }
}

/* Ranks those who match at least `least`: a few of the catalogue, which the viewer's terms name. */
static void rank_matches(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, natural *of, float c0,
                         float least) {
    int32_t at[BLOCK];
    uint8_t passes[BLOCK + WORD];
    for (int32_t from = 0; from < scratch->matched_count; from += BLOCK) {
        const int32_t *rows = scratch->matched + from;
        int32_t count = scratch->matched_count - from < BLOCK ? scratch->matched_count - from : BLOCK, found = 0;
        promising_matches(of, scratch, rows, count, c0, least, passes);
        count = listed(passes, 0, count, at);
        for (int32_t i = 0; i < count; i++) {
            at[found] = rows[at[i]];
            found += (scratch->flags[at[found]] & of->mask) == 0;
        }
        take_promising(world, viewer, scratch, of->best, at, found);
    }
    of->below = least;
}

/* Scores what is worth it in a stretch where a bound on similarity excludes too little: all similarities are computed. */
static void take_close(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, const natural *of,
                       int32_t from, int32_t count) {
    const video_columns all = of_catalogue(world);
    float similar[BLOCK], d[PAIRS][BLOCK];
    int32_t at[BLOCK];
    uint8_t passes[BLOCK + WORD];
    similar_stretch(world, scratch->skill_dot, &all, NULL, from, count, similar);
    int32_t found = promising(of, scratch, from, count, of->best->table->c[0], similar, passes);
    if (found > count / 4) {
        memcpy(d[0], similar, sizeof(float) * (size_t)count);
        spread_nearness(world, scratch);
        take_stretch(viewer, scratch, of->mask, of->below, of->best, &all, from, count, d);
    } else if (found) {
        found = listed(passes, from, count, at);
        for (int32_t i = 0; i < found; i++) d[0][i] = similar[at[i] - from];
        take(world, viewer, scratch, of->best, at, at, found, d);
    }
}

/* Ranks those who match less than that, stretch by stretch of the catalogue. Similarity takes longest of all, so it is
   computed of those that a bound on it does not exclude, of many at once; where that leaves too many, the bound is tried
   again a few stretches later. */
static void rank_stretches(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, const natural *of,
                           float c0) {
    int32_t at[BLOCK], waiting = 0, useless = 0;
    float similar[BLOCK];
    uint8_t passes[BLOCK + WORD];
    for (int32_t from = 0; from < world->videos; from += BLOCK) {
        int32_t count = world->videos - from < BLOCK ? world->videos - from : BLOCK, found = 0;
        if (!useless) {
            similar_at_most(world, scratch, from, count, similar);
            found = promising(of, scratch, from, count, c0, similar, passes);
            if (found > count / CLOSE) useless = PATIENCE;
        }
        if (useless) {
            take_close(world, viewer, scratch, of, from, count);
            useless--;
            continue;
        }
        if (found) waiting += listed(passes, from, count, at + waiting);
        if (waiting <= BLOCK / 4) continue;
        take_promising(world, viewer, scratch, of->best, at, waiting);
        waiting = 0;
    }
    take_promising(world, viewer, scratch, of->best, at, waiting);
}

/* First those who match best, so that the k-th best score is high from the start. */
static void rank_natural(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, uint8_t mask,
                         tf_list *best) {
    const float c0 = best->table->c[0] > 0.0f ? best->table->c[0] : 0.0f;
    natural of = {best, mask, INFINITY};
    for (float share = 0.5f; scratch->matched_count && best->length < best->k && share > 0.1f; share -= 0.3f)
        rank_matches(world, viewer, scratch, &of, c0, share * scratch->best_match);
    rank_stretches(world, viewer, scratch, &of, c0);
}

void tf_rank(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, uint8_t mask, tf_list *lists,
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
    for (int32_t from = 0; from < count; from += BLOCK) {
        int32_t some = count - from < BLOCK ? count - from : BLOCK;
        similarities(world, scratch->skill_dot, rows + from, some, d[0]);
        pair_block(world, viewer, scratch, rows + from, some, d);
        for (int32_t i = 0; i < some; i++)
            for (int p = 0; p < PAIRS; p++) *features++ = d[p][i];
    }
}

#include "draft.c"
#include "render.c"
