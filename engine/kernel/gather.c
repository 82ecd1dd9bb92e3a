/* What a viewer saw, and everything that rules refuse before the first slot: the ids and lists of `engine.rules.table`.
 * Included by draft.c.
 */

enum { PAGE_ITEM = 17 }; /* bytes of an item in a page: its id, its creator's, and whether it is a flow */

/* Whether these bytes are a page: then all its flags are 0 or 1, and *flows says how many are flows. */
static int is_page(const uint8_t *page, int32_t bytes, int32_t *flows) {
    const int32_t count = bytes / PAGE_ITEM;
    uint8_t any = 0;
    *flows = 0;
    if (bytes % PAGE_ITEM) return 0;
    for (const uint8_t *flag = page + 16 * (int64_t)count; flag < page + bytes; flag++) any |= *flag, *flows += *flag;
    return any <= 1;
}

/* Appends the ids of a page. */
static void turn_page(const uint8_t *page, int32_t count, int64_t **next) {
    const uint8_t *flow = page + 16 * (int64_t)count;
    for (int32_t i = 0; i < count; i++) memcpy(next[flow[i]]++, page + 8 * (int64_t)i, 8);
}

/* The number behind `prefix` in the line from..end, or -1: one to nineteen digits, at most INT64_MAX. */
static int64_t number_behind(const char *prefix, int64_t length, const char *from, const char *end) {
    uint64_t number = 0;
    if (end - from <= length || end - from > length + 19 || memcmp(from, prefix, (size_t)length)) return -1;
    for (from += length; from < end; from++) {
        if (*from < '0' || *from > '9') return -1;
        number = 10 * number + (uint64_t)(*from - '0');
    }
    return number > INT64_MAX ? -1 : (int64_t)number;
}

/* Reads marks, a line each: ids of videos from `room` on, then those of flows, which are put off at first. */
static int64_t *read_marks(tf_seen *seen, tf_ids ids[2], const char *text, int64_t bytes, int64_t *room) {
    int64_t count[2] = {0, 0};
    for (int flow = 0; flow < 2; flow++) {
        ids[flow].id = room;
        for (const char *line = text, *end; line < text + bytes; line = end + 1) {
            end = memchr(line, '\n', (size_t)(text + bytes - line));
            if (!end) end = text + bytes;
            int64_t video = number_behind("video:", 6, line, end), number = flow ? number_behind("flow:", 5, line, end) : video;
            if (number >= 0) room[count[flow]++] = number;
            else if (flow && video < 0) seen->unread++;
        }
        ids[flow].count = count[flow];
        room += count[flow];
    }
    return room;
}

/* The creators of the last items of the pages, oldest first, from `room` on. */
static int64_t *read_creators(tf_seen *seen, const uint8_t *page, const int32_t *bytes, int32_t pages, int32_t most,
                              int64_t *room) {
    int64_t total = seen->ids[TF_SERVED][0].count + seen->ids[TF_SERVED][1].count, skip = total > most ? total - most : 0;
    int32_t flows;
    seen->creators.id = room;
    for (int32_t p = 0; p < pages; page += bytes[p++]) {
        if (!is_page(page, bytes[p], &flows)) continue;
        int32_t count = bytes[p] / PAGE_ITEM, from = skip < count ? (int32_t)skip : count;
        memcpy(room, page + 8 * ((int64_t)count + from), 8 * (size_t)(count - from));
        room += count - from;
        skip -= from;
    }
    seen->creators.count = room - seen->creators.id;
    return room;
}

void tf_read(tf_seen *seen, const uint8_t *page, const int32_t *bytes, int32_t pages, int32_t creators,
             const char *watched, int64_t watched_bytes, const char *hidden, int64_t hidden_bytes) {
    int64_t *room = (int64_t *)(seen + 1), items = 0, all_flows = 0;
    const uint8_t *at = page;
    int32_t flows;
    memset(seen, 0, sizeof *seen);
    for (int32_t p = 0; p < pages; at += bytes[p++]) {
        if (is_page(at, bytes[p], &flows)) items += bytes[p] / PAGE_ITEM, all_flows += flows;
        else seen->unread++;
    }
    int64_t *next[2] = {room, room + items - all_flows};
    seen->ids[TF_SERVED][0] = (tf_ids){next[0], items - all_flows};
    seen->ids[TF_SERVED][1] = (tf_ids){next[1], all_flows};
    at = page;
    for (int32_t p = 0; p < pages; at += bytes[p++])
        if (is_page(at, bytes[p], &flows)) turn_page(at, bytes[p] / PAGE_ITEM, next);
    room = read_creators(seen, page, bytes, pages, creators, room + items);
    room = read_marks(seen, seen->ids[TF_WATCHED], watched, watched_bytes, room);
    read_marks(seen, seen->ids[TF_HIDDEN], hidden, hidden_bytes, room);
}

/* The place of an id among `count` ascending ones, or -1. Ids differ, so there are no more below one than its distance to
   the first, and no more above than to the last: where few ids are missing, that leaves few places. */
static int32_t row_of(const int64_t *known, int32_t count, int64_t id) {
    if (!count || id < known[0] || id > known[count - 1]) return -1;
    const uint64_t below_it = (uint64_t)id - (uint64_t)known[0], above_it = (uint64_t)known[count - 1] - (uint64_t)id;
    const int32_t last = count - 1;
    int32_t from = above_it < (uint64_t)last ? last - (int32_t)above_it : 0;
    int32_t left = (below_it < (uint64_t)last ? (int32_t)below_it : last) - from;
    while (left > 0) {
        int32_t half = left / 2, below = known[from + half] < id;
        from = below ? from + half + 1 : from;
        left = below ? left - half - 1 : half;
    }
    return known[from] == id ? from : -1;
}

static void refuse_videos(tf_scratch *scratch, tf_feed *feed, const int32_t *rows, int64_t count, int32_t flag) {
    feed->open_videos -= tf_mark(scratch->flags, rows, (int32_t)count, (uint8_t)flag);
}

/* Refuses those of the ids that the snapshot holds. */
static void refuse_ids(const tf_world *world, tf_scratch *scratch, tf_feed *feed, const tf_ids *ids, int32_t flag) {
    int32_t *rows = feed->found + feed->found_count, found = 0, row;
    if (!flag) return; /* no rule */
    for (int64_t i = 0; i < ids[0].count; i++)
        if ((row = row_of(world->video_id, world->videos, ids[0].id[i])) >= 0) rows[found++] = row;
    feed->found_count += found;
    refuse_videos(scratch, feed, rows, found, flag);
    for (int64_t i = 0; i < ids[1].count; i++)
        if ((row = row_of(world->flow_id, world->flows, ids[1].id[i])) >= 0) feed->flow_flags[row] |= (uint8_t)flag;
}

/* The rows that a list has for the viewer; returns how many. */
static int64_t rows_listed(const tf_feed *feed, const tf_listed *list, const int32_t **rows) {
    const int32_t viewer = list->of_creator ? feed->creator : feed->user;
    *rows = NULL;
    if (viewer < 0 || !list->start) return 0;
    *rows = list->rows + list->start[viewer];
    return list->start[viewer + 1] - list->start[viewer];
}

static void refuse_listed(const tf_world *world, tf_scratch *scratch, tf_feed *feed, const tf_listed *list) {
    const int32_t *rows, viewer = list->of_creator ? feed->creator : feed->user;
    const int64_t count = rows_listed(feed, list, &rows);
    if (!list->flow) refuse_videos(scratch, feed, rows, count, list->flag);
    for (int64_t i = 0; list->flow && i < count; i++) feed->flow_flags[rows[i]] |= (uint8_t)list->flag;
    for (int32_t row = 0; !list->start && viewer >= 0 && row < world->flows; row++)
        if (list->rows[row] == viewer) feed->flow_flags[row] |= (uint8_t)list->flag;
}

/* The creator has the item at this position. Asks for what `eligible` and `describe` will read of the creator. */
static void note(const tf_world *world, tf_scratch *scratch, tf_feed *feed, int32_t creator, int32_t position) {
    __builtin_prefetch(&world->creator_video[world->creator_start[creator]]);
    __builtin_prefetch(&world->creator_id[creator]);
    scratch->creator_last[creator] = position;
    feed->recent_creator[feed->recent] = creator;
    feed->recent_position[feed->recent++] = position;
}

/* Everything that rules refuse before the first slot, and the creators of the session's last items that the window
   reaches. */
static void gather(const tf_world *world, tf_scratch *scratch, tf_feed *feed) {
    feed->open_videos = world->videos;
    feed->found_count = feed->recent = 0;
    for (int section = 0; section < TF_SECTIONS; section++)
        refuse_ids(world, scratch, feed, section == TF_EXCLUDED ? feed->excluded : feed->seen->ids[section],
                   feed->named_flag[section]);
    for (int32_t i = 0; i < feed->lists; i++) refuse_listed(world, scratch, feed, &feed->list[i]);
    const tf_ids last = feed->seen->creators;
    const int32_t carried = last.count < feed->window ? (int32_t)last.count : feed->window - 1;
    for (int32_t i = -carried; i < 0; i++) {
        int32_t creator = row_of(world->creator_id, world->creators, last.id[last.count + i]);
        if (creator >= 0) note(world, scratch, feed, creator, i);
    }
}

/* Undoes what gather refused. */
static void let_in(tf_scratch *scratch, tf_feed *feed, int32_t flows) {
    const int32_t *rows;
    for (int32_t i = 0; i < feed->found_count; i++) scratch->flags[feed->found[i]] = 0;
    for (int32_t i = 0; i < feed->lists; i++) {
        int64_t count = feed->list[i].flow ? 0 : rows_listed(feed, &feed->list[i], &rows);
        for (int64_t j = 0; j < count; j++) scratch->flags[rows[j]] = 0;
    }
    memset(feed->flow_flags, 0, (size_t)flows);
}
