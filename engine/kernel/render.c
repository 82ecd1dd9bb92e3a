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

int64_t tf_render_room(const tf_texts *texts, const tf_item *item, int32_t count) {
    int64_t room = 2;
    for (int32_t i = 0; i < count; i++) {
        const int64_t *start = texts->fragment_start[item[i].flow] + item[i].row;
        room += start[1] - start[0] + NUMBERS_ROOM + texts->pool[item[i].pool].length;
        room += texts->pool[item[i].slot].length + texts->reason[item[i].reason].length;
    }
    return room;
}

int64_t tf_render(const tf_texts *texts, const tf_item *item, const float *features, int32_t count, char *out) {
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

int64_t tf_names(const tf_item *item, int32_t count, char *out) {
    char *begin = out;
    *out++ = '[';
    for (int32_t i = 0; i < count; i++) {
        if (i) *out++ = ',';
        out = whole(item[i].flow ? TEXT(out, "\"flow:") : TEXT(out, "\"video:"), (uint64_t)item[i].id);
        *out++ = '"';
    }
    *out++ = ']';
    return out - begin;
}
