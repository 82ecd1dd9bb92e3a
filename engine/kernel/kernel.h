/* Sizes and numbers that both sides of the call rely on. */
enum {
    TF_FEATURES = 18,
    TF_PAIRS = 5,                    /* pair features */
    TF_MOST_ITEMS = 96,              /* of a feed, and of its session before it */
    TF_NEVER = -(1 << 30),           /* the position of a creator who was not placed */
    TF_BLOCK = 512,                  /* videos that are worked on at a time */
    TF_NAME_ROOM = 32,
    TF_STRIDE = 8,                   /* videos a place in more_start */
    TF_HEAD = 1024,                  /* entries of a table whose videos' columns are laid out in its order */
    TF_BINS = 256,                   /* of candidates by score */
    TF_ENTRY_BYTES = 16,             /* a candidate in a list's room */
    TF_MOST_PLACES = 8192,           /* of a pool's list */
    TF_QUICK_DRAWS = 32,             /* of EXPLORE before it enumerates */
    TF_NODES = 8,                    /* of a quadrature panel */
    TF_MOST_PANELS = 16
};
/* Streams of random numbers, as in engine/randomness.py. */
enum {
    TF_TURN = 1, TF_CHOICE = 2, TF_EXPLORE_DRAW = 3, TF_FLOW_DRAW = 4, TF_FEATURE_A = 5, TF_FEATURE_B = 6, TF_TIE = 7
};

/* The catalogue as the kernel reads it: structure of arrays, all borrowed from the snapshot. */
typedef struct {
    int32_t videos;
    int32_t skills;
    int32_t width;
    int32_t more;
    int32_t creators;
    const float *skill_vector;       /* [skills][width], width a multiple of 8 */
    const int32_t *skill;            /* [4][videos], a video's first four skills */
    const float *skill_weight;       /* [4][videos], what each adds to the cosine; 0 where there are fewer */
    const int32_t *more_video;       /* [more], the skills beyond four, ascending by video */
    const int32_t *more_start;       /* where the videos TF_STRIDE * i and up begin in more_video */
    const int32_t *more_skill;
    const float *more_weight;
    const uint8_t *other_weight;     /* [videos], sizes of all weights but the first: at most so many other_unit */
    const float *other_unit;         /* one */
    const int32_t *city;             /* [videos], -1 unknown */
    const int32_t *country;          /* [videos], -1 unknown */
    const int32_t *creator;          /* [videos] */
    const int64_t *term_start;       /* inverted lists: term -> videos */
    const int32_t *term_video;
    const float *term_weight;
    const int64_t *friend_start;     /* user -> users */
    const int32_t *friend_user;
    const int64_t *liked_start;      /* user -> videos */
    const int32_t *liked_video;
    const int32_t *user_creator;     /* user -> creator or -1 */
    const int64_t *creator_start;    /* creator -> videos */
    const int32_t *creator_video;
    float social_like;
    int32_t flows;
    int32_t users;
    const int64_t *user_id;          /* [users] */
    const int32_t *user_city;        /* [users] */
    const int32_t *user_country;
    const float *user_embedding;     /* [users][width] */
    const int64_t *user_term_start;
    const int32_t *user_term;
    const int64_t *video_id;         /* [videos] */
    const uint8_t *video_fresh;
    const float *video_features;     /* [TF_FEATURES - TF_PAIRS][videos] */
    const int64_t *creator_id;       /* [creators] */
    const int64_t *flow_id;          /* [flows] */
    const int32_t *flow_creator;
    const float *flow_temporal;
    const int32_t *flow_order;       /* [flows], flows by falling flow_temporal */
    int32_t video_column[13];        /* places of video_features' rows among all features */
    int32_t pair_column[5];
} tf_world;

/* One bandit's version against one catalogue: score = base + c.d + sqrt(rest + |v + L'd|^2).
   Entry i is the video row[i], or the video i where row is NULL. No score of entry i exceeds
   peak[i] + p0 * d0 + p1 * d1, with (p0, p1) = (c0, c1) where row is NULL and 0 else; with row, peak descends, and the
   first `head` entries have what their videos' pair features need beside them. */
typedef struct {
    int32_t entries;
    const int32_t *row;
    const float *peak;               /* [entries] */
    const float *base;               /* [entries]; minus infinity where the pool does not admit the video */
    const float *rest;               /* [entries] */
    const float *v;                  /* [5][entries] */
    int32_t head;
    const int32_t *head_skill;       /* [4][head] */
    const float *head_weight;        /* [4][head] */
    const int32_t *head_place;       /* [3][head]: city, country, creator */
    float c[5];
    float l[25];                     /* lower triangle, row major */
} tf_table;

/* The k best rows of one table. room holds TF_ENTRY_BYTES * 2 * (2k + TF_BLOCK) bytes; rows and scores hold k; length is
   the answer. Candidates are counted by score in bins, so that the k-th best is known roughly at any time. */
typedef struct {
    const tf_table *table;
    int32_t k;
    int32_t length;
    void *room;
    int32_t *rows;
    float *scores;
    float threshold;                 /* no k-th best is below it */
    float low;                       /* where bin 0 begins */
    float scale;                     /* bins per score */
    int32_t bin;                     /* the lowest that counts */
    int32_t above;                   /* candidates in it and above */
    int32_t count[TF_BINS];
    float least[TF_BINS];            /* the least score in each */
} tf_list;

/* What one feed writes on; all zero (creator_last: TF_NEVER) between feeds. */
typedef struct {
    uint8_t *flags;                  /* [videos], which rules refuse it */
    float *skill_dot;                /* [skills], cosines with the viewer; whatever they were between feeds */
    float largest_dot;               /* of their sizes */
    float *match;                    /* [videos], extended_match before the cap */
    float best_match;                /* the largest of them */
    int32_t *matched;                /* [videos + 1], those whose match is above 0; matched_count of them */
    int32_t matched_count;
    float *social;                   /* [videos], social_signal before the cap of those that friends liked */
    int32_t *creator_last;           /* [creators], last position of the creator */
    float *nearness;                 /* [creators], 1 for those the viewer knows, 0.5 for those at two hops; [-1] is never 0 */
    int32_t *met;                    /* [creators + 1], those who are near; met_count of them */
    int32_t met_count;
    int32_t near_videos;             /* whether social has nearness in it already */
} tf_scratch;

/* The viewer of one request. */
typedef struct {
    int32_t user;                    /* row, or -1 */
    int32_t city;
    int32_t country;
    int32_t terms;
    const int32_t *term;             /* [terms] */
    const float *embedding;          /* [width], or NULL when it is zero */
    uint32_t key_a;                  /* keys of random_exploration */
    uint32_t key_b;
    uint32_t tie_key;
} tf_viewer;

/* The largest score (without the parts of the first `without` pair features that are linear) that each entry may get,
   over all pair features in [0, 1]: the score is convex in them, so it is at a corner. */
void tf_peaks(const tf_table *table, int32_t without, float *peak);
/* Spread the viewer's embedding, terms and friends over scratch->skill_dot, match, nearness and social. */
void tf_spread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch);
/* Zero what tf_spread wrote. */
void tf_unspread(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch);
/* Set a flag on rows; returns how many had no flag before. */
int32_t tf_mark(uint8_t *flags, const int32_t *rows, int32_t count, uint8_t flag);
/* Fill every list with the best rows of its table whose flags are clear under mask, best first. */
void tf_rank(const tf_world *world, const tf_viewer *viewer, tf_scratch *scratch, uint8_t mask, tf_list *lists,
             int32_t count);
/* Indices of the first `limit` rows that no rule refuses at this position; returns how many there are. */
int32_t tf_allowed(const tf_world *world, const tf_scratch *scratch, const int32_t *rows, int32_t count, int32_t limit,
                   uint8_t mask, int32_t position, int32_t window, int32_t *indices);
/* How many rows of these creators have clear flags under mask. */
int32_t tf_open_rows(const tf_world *world, const tf_scratch *scratch, const int32_t *creators, int32_t count,
                     uint8_t mask);
/* The five pair features of rows, [count][5]. */
void tf_pair_features(const tf_world *world, const tf_viewer *viewer, const tf_scratch *scratch, const int32_t *rows,
                      int32_t count, float *features);

enum { TF_SOFTMAX, TF_TOP, TF_UNIFORM, TF_FLOWS, TF_EXPLORE };

/* A pool as tf_draft uses it: how it picks, among how many, and where its best candidates are ranked. */
typedef struct {
    int32_t pick;
    int32_t limit;
    int32_t deepest;                 /* candidates to rank where the usual number does not reach */
    tf_list list;                    /* its table is NULL where the pool has none (TF_FLOWS, TF_EXPLORE) */
    int32_t *creator;                /* [deepest], of the ranked candidates */
    int32_t *last;                   /* [deepest], the creator's last position */
    double *weights;                 /* [deepest] for TF_SOFTMAX: exp(score - the best); else NULL */
    double fresh;                    /* what the final score adds for a new video */
    double bonus[TF_FEATURES];       /* what it adds for each feature */
} tf_pool;

/* What a request brings: ids by section, each for videos and for flows; and the creators of the session's last items. */
enum { TF_EXCLUDED, TF_SERVED, TF_WATCHED, TF_HIDDEN, TF_SECTIONS };

/* Ids, ascending or not, known or not. */
typedef struct {
    const int64_t *id;
    int64_t count;
} tf_ids;

/* What a viewer saw; `excluded` stays empty. Behind it lies room for the ids. */
typedef struct {
    tf_ids ids[4][2];                /* [TF_SECTIONS][videos, flows] */
    tf_ids creators;                 /* of the session's last items, oldest first */
    int64_t unread;                  /* pages and marks that made no sense */
} tf_seen;

/* Read a session's pages (each: ids, creators' ids, and a byte an item that is 1 for flows) and a viewer's marks
   ("video:12", a line each) into `seen` and the room behind it: a number an item and a line, and `creators` more. */
void tf_read(tf_seen *seen, const uint8_t *page, const int32_t *bytes, int32_t pages, int32_t creators,
             const char *watched, int64_t watched_bytes, const char *hidden, int64_t hidden_bytes);

/* Rows that the snapshot lists for a viewer: as a user or as a creator. Where start is NULL, `rows` is a column, and the
   viewer's are those where it names them. */
typedef struct {
    int32_t flow;                    /* 1: flows, 0: videos */
    int32_t flag;
    int32_t of_creator;
    const int64_t *start;
    const int32_t *rows;
} tf_listed;

/* Why an item is there: a feature's index, or one of these; engine/reasons.py has the words. */
enum { TF_FRESH = TF_FEATURES, TF_UNDECIDED, TF_EXPLORED, TF_CHALLENGE };

/* A filled position: engine.feed_types.SLATE. */
typedef struct {
    int64_t id;
    int64_t creator_id;
    double score;                    /* NaN where nothing was scored */
    double propensity;
    int32_t row;
    uint8_t flow;
    uint8_t pool;                    /* which pool filled it */
    uint8_t slot;                    /* which pool was planned */
    uint8_t reason;
} tf_item;

/* A feed to fill while every rule holds. The first part stands for all feeds of an engine, the second is room to work
   in, the third belongs to the request. */
typedef struct {
    tf_pool *pools;
    int32_t pool_count;
    int32_t explore;                 /* index of EXPLORE in pools */
    int32_t window;
    int32_t spare;                   /* candidates ranked beyond one slot's and a feed's */
    uint8_t repeat_flag;
    uint8_t named_flag[4];           /* [TF_SECTIONS]: of the rule that refuses a section's ids */
    int32_t lists;
    tf_listed *list;
    double explore_rate;
    double flow_random;
    double flow_bonus;

    uint8_t *flow_flags;             /* [flows], zero between feeds */
    int32_t *flow_rows;              /* [flows] */
    double *flow_head;               /* [flows] */
    double *flow_share;              /* [flows + 3] */
    int32_t open_videos;             /* how many videos have no flag */
    int32_t recent;                  /* creators of earlier items, oldest first */
    int32_t recent_creator[2 * TF_MOST_ITEMS];
    int32_t recent_position[2 * TF_MOST_ITEMS];
    int32_t recent_open[2 * TF_MOST_ITEMS]; /* videos of theirs without a flag; 0 where the creator comes again later */
    int32_t counted;                 /* how many of recent_open are known */
    uint8_t turned[TF_MOST_ITEMS];

    int32_t *found;                  /* room for a row an id; found_count of them are videos that ids named */
    int32_t found_count;

    int64_t user_id;
    uint64_t seed;
    int32_t user;                    /* the viewer's row among users, and among creators, or -1 */
    int32_t creator;
    int32_t size;
    tf_ids excluded[2];
    const tf_seen *seen;
    const uint8_t *slot;             /* [size], index in pools */
    tf_item *item;                   /* the answer: [size], and [size][TF_FEATURES] */
    float *features;
} tf_feed;

/* The viewer of a request, by row (-1 for one that the snapshot does not know) and seed. */
void tf_look_up(const tf_world *world, int32_t user, uint64_t seed, tf_viewer *viewer);
/* Gather, rank and fill the slots in order, and leave scratch as it was; returns how many slots it filled. It stops where
   a slot's own pool has nothing left, or its ranked candidates do not reach deep enough: then the plain way of
   `engine.assemble` starts anew. The answer is `size` tf_item and as many times TF_FEATURES floats. */
int32_t tf_draft(const tf_world *world, tf_scratch *scratch, tf_feed *feed, uint8_t *answer);

/* Bytes of a text. */
typedef struct {
    const char *text;
    int64_t length;
} tf_piece;

/* What tf_render joins: ready members of items, and the words of reasons. */
typedef struct {
    const uint8_t *fragment[2];      /* of videos, of flows */
    const int64_t *fragment_start[2];
    const tf_piece *pool;            /* names */
    const tf_piece *reason;          /* [TF_CHALLENGE + 1], up to the feature's value, if one follows */
} tf_texts;

/* Bytes that the items may take at most. */
int64_t tf_render_room(const tf_texts *texts, const uint8_t *answer, int32_t count);
/* Write the items of an answer of tf_draft as a JSON array; returns its length. */
int64_t tf_render(const tf_texts *texts, const uint8_t *answer, int32_t count, char *out);

/* A member of tf_item: where it is and how many bytes it has. */
typedef struct {
    int32_t offset;
    int32_t size;
} tf_column;

/* Members of items, all of the first one after another, then all of the second. */
typedef struct {
    int32_t count;
    const tf_column *column;
} tf_columns;

/* Write what is kept of an answer of tf_draft: columns as they lie in memory; a JSON object that begins with `head` and ends
   with other columns ("slate") and the features as base64; and `["video:12","flow:3"]`, at most TF_NAME_ROOM bytes an item
   and two more. Returns the length, or -1 where a feature is not finite. Ids are not negative, items at most
   TF_MOST_ITEMS. */
int64_t tf_pack(const uint8_t *answer, int32_t count, const tf_columns *kept, const tf_columns *recorded,
                const uint8_t *head, int64_t head_bytes, uint8_t *out);
