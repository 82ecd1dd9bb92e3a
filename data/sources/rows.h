// What a column's cells become. TEXT: where its bytes are. WORD: the same, and the number of its text in this call.
enum { ROWS_WHOLE = 0, ROWS_REAL = 1, ROWS_TEXT = 2, ROWS_WORD = 3 };

// `length` of a cell that is NULL, and of one whose number is in `value`; others are texts of that many bytes, which
// begin at `value` in the buffer. A number that is written in another way than plainly is left as a text.
enum { ROWS_NULL = -1, ROWS_NUMBER = -2 };

// How a call ended: all whole packets are read, the rows' room is full, the result is over, the server reports an
// error (in the packet at `used`), or the bytes are no such rows.
enum { ROWS_MORE = 0, ROWS_FULL = 1, ROWS_END = 2, ROWS_ERROR = 3, ROWS_BROKEN = 4 };

typedef struct {
    int32_t columns;        // of the result
    int32_t sequence;       // number of the next packet, 0 to 255
    const uint8_t *kinds;   // of each column
    int64_t used;           // bytes of the buffer that are read
    int64_t rows;           // rows in the arrays
    int64_t room;           // rows that fit into them
    int64_t *value;         // [columns][room]
    int32_t *length;        // [columns][room]
    int32_t *code;          // [columns][room], set for WORD: texts with the same bytes have the same code
    int32_t *table;         // [columns][slots], -1 everywhere while there are no rows; for WORD
    int64_t slots;          // a power of two, at least twice `room`
} rows_t;

// Decodes the packets of a text result (MySQL client/server protocol) in `buffer` from byte `used` on, and adds their rows
// to those that are there; returns how it ended.
int rows_decode(rows_t *to, const uint8_t *buffer, int64_t size);
