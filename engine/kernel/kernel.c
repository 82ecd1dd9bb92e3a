/* The scoring kernel. `reference.py` beside it says the same in plain numpy; tests hold the two together.
 *
 * Rows are worked through in blocks that stay in the first-level cache: pair features into five small columns, one
 * score column, then a scan against the k-th best score so far. Sums are written out in a fixed order, so that all
 * vector widths give the same bits.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "kernel.h"

#define BLOCK 512
#define LANES 8
#define PAIRS 5

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

/* Orders like the float, then by the seed's tie-break, which is different for every row. */
static inline uint64_t order_key(float score, uint32_t row, uint32_t tie_key) {
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    bits = (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
    return ((uint64_t)bits << 32) | mix(row ^ tie_key);
}

void tf_spread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    for (int32_t t = 0; t < viewer->terms; t++) {
        int32_t term = viewer->term[t];
        for (int64_t p = world->term_start[term]; p < world->term_start[term + 1]; p++)
            scratch->match[world->term_video[p]] += world->term_weight[p];
    }
    if (viewer->user < 0) return;
    const int64_t *start = world->friend_start;
    int64_t from = start[viewer->user], to = start[viewer->user + 1];
    for (int hop = 2; hop >= 1; hop--) {
        float value = hop == 1 ? 1.0f : 0.5f;
        for (int64_t f = from; f < to; f++) {
            int32_t friend_row = world->friend_user[f];
            int64_t g = hop == 1 ? f : start[friend_row], end = hop == 1 ? f + 1 : start[friend_row + 1];
            for (; g < end; g++) {
                int32_t creator = world->user_creator[world->friend_user[g]];
                if (creator < 0) continue;
                for (int64_t p = world->creator_start[creator]; p < world->creator_start[creator + 1]; p++)
                    scratch->social[world->creator_video[p]] = value;
            }
        }
    }
    for (int64_t f = from; f < to; f++) {
        int32_t friend_row = world->friend_user[f];
        for (int64_t p = world->liked_start[friend_row]; p < world->liked_start[friend_row + 1]; p++)
            scratch->social[world->liked_video[p]] += world->social_like;
    }
}

void tf_unspread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch) {
    for (int32_t t = 0; t < viewer->terms; t++) {
        int32_t term = viewer->term[t];
        for (int64_t p = world->term_start[term]; p < world->term_start[term + 1]; p++)
            scratch->match[world->term_video[p]] = 0.0f;
    }
    if (viewer->user < 0) return;
    const int64_t *start = world->friend_start;
    for (int64_t f = start[viewer->user]; f < start[viewer->user + 1]; f++) {
        int32_t friend_row = world->friend_user[f];
        for (int64_t g = start[friend_row] - 1; g < start[friend_row + 1]; g++) {
            int32_t person = g < start[friend_row] ? friend_row : world->friend_user[g];
            int32_t creator = world->user_creator[person];
            if (creator < 0) continue;
            for (int64_t p = world->creator_start[creator]; p < world->creator_start[creator + 1]; p++)
                scratch->social[world->creator_video[p]] = 0.0f;
        }
        for (int64_t p = world->liked_start[friend_row]; p < world->liked_start[friend_row + 1]; p++)
            scratch->social[world->liked_video[p]] = 0.0f;
    }
}

int32_t tf_mark(uint8_t *flags, const int32_t *rows, int32_t count, uint8_t flag) {
    int32_t fresh = 0;
    for (int32_t i = 0; i < count; i++) {
        fresh += flags[rows[i]] == 0;
        flags[rows[i]] |= flag;
    }
    return fresh;
}


EVERY_WIDTH
static void similarities(const tf_world *world, const tf_viewer *viewer, int32_t from, int32_t count, float *restrict d) {
    const int32_t width = world->width;
    const float *restrict b = viewer->embedding;
    for (int32_t r = 0; r < count; r++) {
        const float *restrict a = world->embedding + (int64_t)(from + r) * width;
        lanes lane = {0};
        for (int32_t i = 0; i < width; i += LANES) lane += *(const lanes *)(a + i) * *(const lanes *)(b + i);
        float total = ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
        d[r] = total < 0.0f ? 0.0f : (total > 1.0f ? 1.0f : total);
    }
}

EVERY_WIDTH
static void pair_block(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, int32_t from,
                       int32_t count, float (*restrict d)[BLOCK]) {
    if (viewer->embedding) similarities(world, viewer, from, count, d[0]);
    else memset(d[0], 0, sizeof(float) * (size_t)count);
    const float *restrict match = scratch->match + from, *restrict social = scratch->social + from;
    const int32_t *restrict city = world->city + from, *restrict country = world->country + from;
    /* -1 never equals: an unknown place of the viewer is replaced by a code that no video has. */
    int32_t my_city = viewer->city < 0 ? -2 : viewer->city, my_country = viewer->country < 0 ? -2 : viewer->country;
    uint32_t key_a = viewer->key_a, key_b = viewer->key_b;
    for (int32_t i = 0; i < count; i++) d[1][i] = match[i] > 1.0f ? 1.0f : match[i];
    for (int32_t i = 0; i < count; i++) d[2][i] = city[i] == my_city ? 1.0f : (country[i] == my_country ? 0.5f : 0.0f);
    for (int32_t i = 0; i < count; i++) d[3][i] = social[i] > 1.0f ? 1.0f : social[i];
    for (int32_t i = 0; i < count; i++) d[4][i] = uniform((uint32_t)(from + i), key_a, key_b);
}

EVERY_WIDTH
static void score_block(const tf_table *table, int64_t videos, int32_t from, int32_t count,
                        float (*restrict d)[BLOCK], float *restrict score) {
    const float *c = table->c, *l = table->l;
    const float *restrict base = table->base + from, *restrict rest = table->rest + from;
    const float *restrict v0 = table->v + from, *restrict v1 = v0 + videos, *restrict v2 = v1 + videos;
    const float *restrict v3 = v2 + videos, *restrict v4 = v3 + videos;
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

/* Partition so that the k largest keys come first (Hoare's selection). */
static void select_best(entry *list, int32_t count, int32_t k) {
    int32_t low = 0, high = count - 1;
    while (low < high) {
        uint64_t pivot = list[low + (high - low) / 2].key;
        int32_t i = low, j = high;
        while (i <= j) {
            while (list[i].key > pivot) i++;
            while (list[j].key < pivot) j--;
            if (i <= j) {
                entry held = list[i];
                list[i++] = list[j];
                list[j--] = held;
            }
        }
        if (k - 1 <= j) high = j;
        else if (k - 1 >= i) low = i;
        else return;
    }
}

/* Quicksort, largest key first; short stretches by insertion. Keys differ, so the order is one and only. */
static void sort_descending(entry *list, int32_t count) {
    while (count > 16) {
        uint64_t a = list[0].key, b = list[count / 2].key, c = list[count - 1].key;
        uint64_t pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
        int32_t i = 0, j = count - 1;
        while (i <= j) {
            while (list[i].key > pivot) i++;
            while (list[j].key < pivot) j--;
            if (i <= j) {
                entry held = list[i];
                list[i++] = list[j];
                list[j--] = held;
            }
        }
        if (j + 1 < count - i) {
            sort_descending(list, j + 1);
            list += i;
            count -= i;
        } else {
            sort_descending(list + i, count - i);
            count = j + 1;
        }
    }
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

/* Appends the block's allowed rows that may still be among the k best. */
static void gather_block(tf_list *best, const float *score, const uint8_t *flags, uint8_t mask, int32_t from,
                         int32_t count, uint32_t tie_key) {
    entry *list = (entry *)best->room + best->length;
    int32_t near[BLOCK], found = 0;
    for (int32_t i = 0; i < count; i++) { /* no branch: which rows pass is hard to foresee */
        near[found] = i;
        found += (score[i] >= best->threshold) & ((flags[from + i] & mask) == 0);
    }
    for (int32_t i = 0; i < found; i++) {
        list[i].key = order_key(score[near[i]], (uint32_t)(from + near[i]), tie_key);
        list[i].row = from + near[i];
    }
    best->length += found;
}

/* Keeps the k best and raises the threshold to the worst of them. */
static void trim(tf_list *best) {
    entry *list = best->room;
    if (best->length <= best->k) return;
    select_best(list, best->length, best->k);
    best->length = best->k;
    uint64_t least = list[0].key;
    for (int32_t i = 1; i < best->k; i++) least = list[i].key < least ? list[i].key : least;
    best->threshold = score_of(least);
}

void tf_rank(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, uint8_t mask, tf_list *lists,
             int32_t count) {
    float d[PAIRS][BLOCK], score[BLOCK];
    for (int32_t t = 0; t < count; t++) {
        lists[t].length = 0;
        lists[t].threshold = -3.0e38f; /* below every finite score: minus infinity and NaN never enter */
    }
    for (int32_t from = 0; from < world->videos; from += BLOCK) {
        int32_t rows = world->videos - from < BLOCK ? world->videos - from : BLOCK;
        pair_block(world, viewer, scratch, from, rows, d);
        for (int32_t t = 0; t < count; t++) {
            score_block(lists[t].table, world->videos, from, rows, d, score);
            gather_block(&lists[t], score, scratch->flags, mask, from, rows, viewer->tie_key);
            if (lists[t].length >= 2 * lists[t].k) trim(&lists[t]);
        }
    }
    for (int32_t t = 0; t < count; t++) {
        entry *list = lists[t].room;
        trim(&lists[t]);
        sort_descending(list, lists[t].length);
        for (int32_t i = 0; i < lists[t].length; i++) {
            lists[t].rows[i] = (int32_t)list[i].row;
            lists[t].scores[i] = score_of(list[i].key);
        }
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
        pair_block(world, viewer, scratch, rows[i], 1, d);
        for (int p = 0; p < PAIRS; p++) features[i * PAIRS + p] = d[p][0];
    }
}
