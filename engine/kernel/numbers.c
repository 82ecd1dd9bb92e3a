/* Numbers as decimal text, character for character what printf writes, without its cost. Included by render.c. */

/* The text at `out`, whose length the compiler knows; gives the place behind it. */
#define TEXT(out, words) (memcpy((out), (words), sizeof(words) - 1), (out) + sizeof(words) - 1)

typedef unsigned __int128 wide;

static const uint64_t TEN_TO[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u,
    1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u, 100000000000000000u,
    1000000000000000000u, 10000000000000000000u,
};

/* A number cut to a whole one, and whether the part cut off is less than a half (-1), a half (0) or more (1). */
typedef struct {
    uint64_t whole;
    int rest;
} cut_number;

/* size * 10^power, exactly, for 0 <= size < 2^30 and power <= 19 with a product below 2^64.
 *
 * A double is m * 2^-shift with whole m < 2^53, so m * 10^power < 2^53 * 2^64 = 2^117 is exact in 128 bits; of it the bits
 * above `shift` are the whole part, and those below are compared with a half as they are: nothing is ever rounded. size
 * below 2^30 has shift > 0. From shift 119 on the product is below 2^117 / 2^119, which is less than a half of one. */
static inline cut_number scaled(double size, int power) {
    uint64_t bits;
    memcpy(&bits, &size, sizeof bits);
    int exponent = (int)(bits >> 52), shift = 1075 - (exponent ? exponent : 1);
    if (shift >= 119) return (cut_number){0, -1};
    uint64_t fraction = (bits & 0xfffffffffffffu) | (uint64_t)(exponent != 0) << 52;
    wide product = (wide)fraction * TEN_TO[power], half = (wide)1 << (shift - 1);
    wide rest = product & (half * 2 - 1);
    return (cut_number){(uint64_t)(product >> shift), (rest > half) - (rest < half)};
}

/* To the nearest whole number, halves to the even one. */
static inline uint64_t rounded(cut_number cut) { return cut.whole + (cut.rest > 0 || (cut.rest == 0 && (cut.whole & 1))); }

/* The last `count` digits. */
static inline char *digits(char *out, uint64_t number, int count) {
    for (int i = count; i-- > 0; number /= 10) out[i] = (char)('0' + number % 10);
    return out + count;
}

/* A whole number. */
static inline char *whole(char *out, uint64_t number) {
    int count = 1;
    while (count < 20 && number >= TEN_TO[count]) count++;
    return digits(out, number, count);
}

/* As "%.*f". */
static inline char *fixed(char *out, double value, int places) {
    double size = fabs(value);
    if (!(size < 0x1p30)) return out + sprintf(out, "%.*f", places, value);
    if (signbit(value)) *out++ = '-';
    uint64_t number = rounded(scaled(size, places)), unit = TEN_TO[places];
    out = whole(out, number / unit);
    *out++ = '.';
    return digits(out, number % unit, places);
}

/* As "%.9g": nine significant digits without zeros at the end, with an exponent where that is below -4 (or above 8).
 *
 * `power` is 8 - X for 10^X <= value < 10^(X + 1): cutting keeps the order, so the cut number has nine digits for exactly
 * one power. X is looked for near log10(2) times the binary exponent; it is -10 at the least, so power stays below 20. */
static inline char *nine_digits(char *out, double value) {
    if (!(value >= 0x1p-33 && value < 0x1p29)) {
        if (value == 0 && !signbit(value)) return TEXT(out, "0");
        return out + sprintf(out, "%.9g", value);
    }
    int power = 8 - (ilogb(value) * 1233 >> 12);
    cut_number cut = scaled(value, power);
    if (cut.whole >= 1000000000u) cut = scaled(value, --power);
    uint64_t number = rounded(cut);
    if (number == 1000000000u) number /= 10, power--;
    char digit[9];
    int kept = 9, point = 9 - power; /* digits before the point */
    digits(digit, number, 9);
    while (kept > 1 && digit[kept - 1] == '0') kept--;
    if (point > 0) {
        memcpy(out, digit, 9);
        if (kept <= point) return out + point;
        out[point] = '.';
        memcpy(out + point + 1, digit + point, (size_t)(9 - point));
        return out + kept + 1;
    }
    if (point > -4) {
        out = TEXT(out, "0.");
        for (; point < 0; point++) *out++ = '0';
        memcpy(out, digit, 9);
        return out + kept;
    }
    *out++ = digit[0];
    if (kept > 1) *out++ = '.';
    memcpy(out, digit + 1, 8);
    return digits(TEXT(out + kept - 1, "e-"), (uint64_t)(1 - point), 2);
}
