/* Items as JSON: ready members with the request's own around them. `engine/render.py` says the same in plain Python.
 * Included by kernel.c.
 */
#include "numbers.c"

enum { NUMBERS_ROOM = 512 }; /* position, score, propensity, the reason's value, and the members' names */

static inline char *copied(char *out, const void *from, int64_t length) {
    memcpy(out, from, (size_t)length);
    return out + length;
}

static inline char *piece(char *out, tf_piece words) { return copied(out, words.text, words.length); }

static const float *features_of(const uint8_t *answer, int32_t count) {
    return (const float *)(answer + (int64_t)count * (int64_t)sizeof(tf_item));
}

int64_t tf_render_room(const tf_texts *texts, const uint8_t *answer, int32_t count) {
    const tf_item *item = (const tf_item *)answer;
    int64_t room = 2;
    for (int32_t i = 0; i < count; i++) {
        const int64_t *start = texts->fragment_start[item[i].flow] + item[i].row;
        /* the snapshot is rarely in a cache: fetch all items' members while the first are written */
        for (int64_t at = start[0]; at < start[1]; at += 64) __builtin_prefetch(texts->fragment[item[i].flow] + at);
        room += start[1] - start[0] + NUMBERS_ROOM + texts->pool[item[i].pool].length;
        room += texts->pool[item[i].slot].length + texts->reason[item[i].reason].length;
    }
    return room;
}

int64_t tf_render(const tf_texts *texts, const uint8_t *answer, int32_t count, char *out) {
    const tf_item *item = (const tf_item *)answer;
    const float *features = features_of(answer, count);
    char *begin = out;
    *out++ = '[';
    for (int32_t i = 0; i < count; i++, item++, features += TF_FEATURES) {
        const int64_t *start = texts->fragment_start[item->flow] + item->row;
        if (i) *out++ = ',';
        out = whole(TEXT(out, "{\"position\":"), (uint64_t)i + 1);
        out = piece(TEXT(out, ",\"pool\":\""), texts->pool[item->pool]);
        out = piece(TEXT(out, "\",\"slot\":\""), texts->pool[item->slot]);
        out = copied(TEXT(out, "\","), texts->fragment[item->flow] + start[0], start[1] - start[0]);
        out = TEXT(out, ",\"score\":");
        out = isnan(item->score) ? TEXT(out, "null") : fixed(out, item->score, 6);
        out = nine_digits(TEXT(out, ",\"propensity\":"), item->propensity);
        out = piece(TEXT(out, ",\"reason\":\""), texts->reason[item->reason]);
        if (item->reason < TF_FEATURES) {
            out = fixed(out, features[item->reason], 2);
            *out++ = ')';
        }
        out = TEXT(out, "\"}");
    }
    *out++ = ']';
    return out - begin;
}

/* `["video:12","flow:3"]`; ids are not negative. */
static char *names(char *out, const tf_item *item, int32_t count) {
    *out++ = '[';
    for (int32_t i = 0; i < count; i++) {
        if (i) *out++ = ',';
        out = whole(item[i].flow ? TEXT(out, "\"flow:") : TEXT(out, "\"video:"), (uint64_t)item[i].id);
        *out++ = '"';
    }
    *out++ = ']';
    return out;
}

/* Columns one after another, as they lie in memory; gives the place behind them. */
static uint8_t *put_columns(uint8_t *out, const tf_item *item, int32_t count, const tf_columns *asked) {
    for (const tf_column *one = asked->column; one < asked->column + asked->count; one++) {
        const uint8_t *from = (const uint8_t *)item + one->offset;
        for (int32_t i = 0; i < count; i++, from += sizeof *item, out += one->size) {
            if (one->size == 8) memcpy(out, from, 8); /* a size that the compiler knows */
            else memcpy(out, from, (size_t)one->size);
        }
    }
    return out;
}

/* Three bytes as four times six bits. */
static inline void sixes(const uint8_t *three, uint8_t *out) {
    uint32_t bits = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | three[2];
    uint8_t four[4] = {(uint8_t)(bits >> 18), bits >> 12 & 63, bits >> 6 & 63, bits & 63};
    memcpy(out, four, 4);
}

/* Letters for six bits each, without a table, so that the compiler does many at once. */
EVERY_WIDTH static void letters(uint8_t *text, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint8_t six = text[i]; /* 0 to 25 are A to Z, to 51 a to z, to 61 digits, then + and / */
        text[i] = (uint8_t)(six + 'A' + (six > 25) * 6 - (six > 51) * 75 - (six > 61) * 15 + (six > 62) * 3);
    }
}

/* Bytes as base64; gives the place behind. */
static uint8_t *base64(uint8_t *out, const uint8_t *from, int64_t length) {
    int64_t groups = length / 3, over = length % 3, count = 4 * (groups + (over > 0));
    for (int64_t i = 0; i < groups; i++) sixes(from + 3 * i, out + 4 * i);
    if (over) {
        uint8_t last[3] = {0};
        memcpy(last, from + 3 * groups, (size_t)over);
        sixes(last, out + 4 * groups);
    }
    letters(out, count);
    if (over) memset(out + count - (3 - over), '=', (size_t)(3 - over));
    return out + count;
}

static int all_finite(const float *number, int64_t count) {
    int endless = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, number + i, sizeof bits);
        endless |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !endless;
}

int64_t tf_pack(const uint8_t *answer, int32_t count, const tf_columns *kept, const tf_columns *recorded,
                const uint8_t *head, int64_t head_bytes, uint8_t *out) {
    const tf_item *item = (const tf_item *)answer;
    const float *features = features_of(answer, count);
    const int64_t numbers = (int64_t)count * TF_FEATURES;
    uint8_t columns[TF_MOST_ITEMS * sizeof(tf_item)];
    if (!all_finite(features, numbers)) return -1;
    uint8_t *end = put_columns(out, item, count, kept);
    end = (uint8_t *)TEXT(copied((char *)end, head, head_bytes), ",\"slate\":\"");
    end = base64(end, columns, put_columns(columns, item, count, recorded) - columns);
    end = base64((uint8_t *)TEXT((char *)end, "\",\"features\":\""), (const uint8_t *)features, 4 * numbers);
    return (uint8_t *)names(TEXT((char *)end, "\"}"), item, count) - out;
}
