#include <stdint.h>
#include <string.h>

#include "rows.h"

// A length-encoded integer at `*at`; -1 for NULL, -2 when it does not fit before `end`.
static int64_t encoded_length(const uint8_t **at, const uint8_t *end) {
    if (*at >= end) return -2;
    uint8_t first = *(*at)++;
    if (first < 0xfb) return first;
    if (first == 0xfb) return -1;
    if (first == 0xff) return -2;
    int bytes = first == 0xfc ? 2 : first == 0xfd ? 3 : 8;
    if (end - *at < bytes) return -2;
    uint64_t length = 0;
    for (int i = 0; i < bytes; i++) length |= (uint64_t)(*at)[i] << (8 * i);
    *at += bytes;
    return length > INT32_MAX ? -2 : (int64_t)length;
}

// Plain decimal digits, at most 18, with a sign perhaps.
static int whole(const uint8_t *text, int64_t size, int64_t *value) {
    int negative = size > 0 && text[0] == '-';
    text += negative;
    size -= negative;
    if (size < 1 || size > 18) return 0;
    int64_t number = 0;
    for (int64_t i = 0; i < size; i++) {
        uint8_t digit = (uint8_t)(text[i] - '0');
        if (digit > 9) return 0;
        number = number * 10 + digit;
    }
    *value = negative ? -number : number;
    return 1;
}

// Digits, at most 15, with a sign and a point perhaps: both parts of the quotient are exact, so that it is the nearest.
static int real(const uint8_t *text, int64_t size, double *value) {
    static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int negative = size > 0 && text[0] == '-', digits = 0, behind = 0, point = 0;
    int64_t number = 0;
    for (int64_t i = negative; i < size; i++) {
        uint8_t digit = (uint8_t)(text[i] - '0');
        if (text[i] == '.' && !point) {
            point = 1;
        } else if (digit <= 9 && digits < 15) {
            number = number * 10 + digit;
            digits++;
            behind += point;
        } else {
            return 0;
        }
    }
    if (!digits) return 0;
    double found = (double)number / POWERS[behind];
    *value = negative ? -found : found;
    return 1;
}

// The code of a text: the row that had it first in this column, found by open addressing.
static int32_t code_of(rows_t *to, int column, int64_t row, const uint8_t *buffer) {
    const int64_t *value = to->value + column * to->room;
    const int32_t *length = to->length + column * to->room;
    int32_t *table = to->table + column * to->slots;
    uint64_t hash = 1469598103934665603u;
    for (int32_t i = 0; i < length[row]; i++) hash = (hash ^ buffer[value[row] + i]) * 1099511628211u;
    for (uint64_t slot = hash ^ (hash >> 32);; slot++) {
        int32_t *found = &table[slot & (uint64_t)(to->slots - 1)];
        if (*found < 0) *found = (int32_t)row;
        if (length[*found] == length[row] && !memcmp(buffer + value[*found], buffer + value[row], (size_t)length[row]))
            return *found;
    }
}

// One row's cells from `at` to `end`; 0 when they are not exactly the columns.
static int cells(rows_t *to, const uint8_t *buffer, const uint8_t *at, const uint8_t *end, int64_t row) {
    for (int column = 0; column < to->columns; column++) {
        int64_t place = column * to->room + row, size = encoded_length(&at, end);
        if (size == -2 || size > end - at) return 0;
        to->length[place] = size < 0 ? ROWS_NULL : (int32_t)size;
        to->value[place] = size < 0 ? 0 : at - buffer;
        if (size < 0) {
            if (to->kinds[column] == ROWS_WORD) to->code[place] = -1;
            continue;
        }
        int64_t number;
        double fraction;
        if (to->kinds[column] == ROWS_WHOLE && whole(at, size, &number)) {
            to->value[place] = number;
            to->length[place] = ROWS_NUMBER;
        } else if (to->kinds[column] == ROWS_REAL && real(at, size, &fraction)) {
            memcpy(&to->value[place], &fraction, sizeof fraction);
            to->length[place] = ROWS_NUMBER;
        } else if (to->kinds[column] == ROWS_WORD) {
            to->code[place] = code_of(to, column, row, buffer);
        }
        at += size;
    }
    return at == end;
}

int rows_decode(rows_t *to, const uint8_t *buffer, int64_t size) {
    while (size - to->used >= 4) {
        const uint8_t *head = buffer + to->used;
        int64_t length = head[0] | head[1] << 8 | head[2] << 16;
        if (head[3] != to->sequence || length == 0 || length == 0xffffff) return ROWS_BROKEN;
        if (size - to->used < 4 + length) return ROWS_MORE;
        if (head[4] == 0xff) return ROWS_ERROR;
        if (head[4] == 0xfe && length < 9) return ROWS_END;
        if (to->rows == to->room) return ROWS_FULL;
        if (!cells(to, buffer, head + 4, head + 4 + length, to->rows)) return ROWS_BROKEN;
        to->used += 4 + length;
        to->sequence = (to->sequence + 1) & 255;
        to->rows++;
    }
    return ROWS_MORE;
}
