/* Items as JSON: ready members with the request's own around them. `engine/render.py` says the same in plain Python.
 * Included by kernel.c.
 */
enum { NUMBERS_ROOM = 256 }; /* position, score, propensity, the reason's value, and the members' names */

static char *text(char *out, const char *words) {
    size_t length = strlen(words);
    memcpy(out, words, length);
    return out + length;
}

/* A whole number, in at least `digits` digits. */
static char *whole(char *out, uint64_t number, int digits) {
    char reversed[24];
    int length = 0;
    for (; number || length < digits; number /= 10) reversed[length++] = (char)('0' + number % 10);
    while (length) *out++ = reversed[--length];
    return out;
}

/* With 6 digits after the point, rounded half to even, as printf does. A float32 times a million is exact in a double. */
static char *decimal(char *out, double value) {
    if (isnan(value)) return text(out, "null");
    if ((double)(float)value != value || !(fabs(value) < 1e6)) return out + sprintf(out, "%.6f", value);
    if (signbit(value)) *out++ = '-';
    uint64_t millionths = (uint64_t)llrint(fabs(value) * 1e6);
    out = whole(out, millionths / 1000000, 1);
    *out++ = '.';
    return whole(out, millionths % 1000000, 6);
}

int64_t tf_render_room(const tf_texts *texts, const tf_item *item, int32_t count) {
    int64_t room = 2;
    for (int32_t i = 0; i < count; i++) {
        const int64_t *start = texts->fragment_start[item[i].flow] + item[i].row;
        room += start[1] - start[0] + NUMBERS_ROOM + (int64_t)strlen(texts->pool[item[i].pool]);
        room += (int64_t)(strlen(texts->pool[item[i].slot]) + strlen(texts->reason[item[i].reason]));
    }
    return room;
}

int64_t tf_render(const tf_texts *texts, const tf_item *item, const float *features, int32_t count, char *out) {
    char *begin = out;
    *out++ = '[';
    for (int32_t i = 0; i < count; i++, item++, features += TF_FEATURES) {
        const int64_t *start = texts->fragment_start[item->flow] + item->row;
        out = whole(text(out, i ? ",{\"position\":" : "{\"position\":"), (uint64_t)i + 1, 1);
        out = text(text(out, ",\"pool\":\""), texts->pool[item->pool]);
        out = text(text(out, "\",\"slot\":\""), texts->pool[item->slot]);
        out = text(out, "\",");
        memcpy(out, texts->fragment[item->flow] + start[0], (size_t)(start[1] - start[0]));
        out = decimal(text(out + (start[1] - start[0]), ",\"score\":"), item->score);
        out += sprintf(out, ",\"propensity\":%.9g,\"reason\":\"", item->propensity);
        out = text(out, texts->reason[item->reason]);
        if (item->reason < TF_FEATURES) out += sprintf(out, "%.2f)", (double)features[item->reason]);
        out = text(out, "\"}");
    }
    *out++ = ']';
    return out - begin;
}

int64_t tf_names(const tf_item *item, int32_t count, char *out) {
    char *begin = out;
    *out++ = '[';
    for (int32_t i = 0; i < count; i++) {
        out = whole(text(out, item[i].flow ? "\"flow:" : "\"video:"), (uint64_t)item[i].id, 1);
        *out++ = '"';
        if (i + 1 < count) *out++ = ',';
    }
    *out++ = ']';
    return out - begin;
}
