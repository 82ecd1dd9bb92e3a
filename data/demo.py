"""The seeded catalogue: a small town of talents in SQLite, the same for the same seed and day.

People have skills of one or two clusters and watch mostly what their cluster makes; a few videos are watched by many;
one video of fifty is younger than 45 days, and views gather with age. A few rows of each kind of garbage are among
them, as in every real table.
"""

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.demo_garbage import garbage
from data.demo_words import CLUSTERS, COUNTRIES, FAMILY, GIVEN, HOBBIES, OBJECTIVES, TALENTS, Cluster
from data.tables import TABLES, Kind

USERS, CREATORS, VIDEOS, INTERACTIONS, CONNECTIONS, FLOWS = 2_000, 600, 5_000, 60_000, 6_000, 80
FRESH_SHARE, FRESH_DAYS, OLDEST_DAYS = 0.02, 45.0, 900.0
OWN_CLUSTER, POPULAR = 0.70, 0.22  # of what a viewer watches; the rest is chance
TYPES = ("video_view", "like", "rating", "share", "report_broken")
TYPE_SHARES = (0.62, 0.22, 0.12, 0.035, 0.005)
SQL_TYPES = {Kind.ID: "BIGINT", Kind.COUNT: "BIGINT", Kind.RATING: "TINYINT", Kind.TIME: "DATETIME"}

Rows = list[tuple[Any, ...]]
Floats = NDArray[np.float64]


class _Town:
    """The people and videos while they are made; `days` are ages before `today`."""

    def __init__(self, seed: int, today: datetime) -> None:
        self.random = np.random.default_rng(seed)
        self.today = today.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        self.cluster_of_user = self.random.integers(0, len(CLUSTERS), USERS + 1)
        creators = self.random.choice(np.arange(1, USERS + 1), CREATORS, replace=False)
        output = np.minimum(self.random.pareto(1.4, CREATORS) + 1, 25)
        self.creator_of_video = self.random.choice(creators, VIDEOS, p=output / output.sum())
        self.cluster_of_video = self.cluster_of_user[self.creator_of_video]
        fresh = self.random.random(VIDEOS) < FRESH_SHARE
        old = np.minimum(FRESH_DAYS + self.random.exponential(190, VIDEOS), OLDEST_DAYS)
        self.days = np.where(fresh, self.random.uniform(0.1, FRESH_DAYS - 0.5, VIDEOS), old)
        self.appeal = self.random.lognormal(0, 1.3, VIDEOS)
        self.quality = np.clip(self.random.normal(4.0, 0.55, VIDEOS), 1.5, 5)

    def date(self, days: float) -> str:
        """The moment that many days ago, as DATETIME text."""
        return str((self.today - timedelta(days=float(days))).replace(microsecond=0))

    def some(self, names: Sequence[str], low: int, high: int) -> list[str]:
        """Between low and high of the names, the first ones more often."""
        count = min(int(self.random.integers(low, high + 1)), len(names))
        waits = self.random.standard_exponential(len(names)) * (np.arange(len(names)) + 4.0)
        return [names[index] for index in waits.argsort()[:count]]

    def cell(self, names: Sequence[str]) -> str | None:
        """A list as apps store them: mostly a JSON array, at times a JSON string, text with commas, or nothing."""
        array, kind = json.dumps(names, ensure_ascii=False), self.random.random()
        if kind < 0.86:
            return array
        if kind < 0.94:
            return ", ".join(names)
        return json.dumps(array, ensure_ascii=False) if kind < 0.98 else None


def write_catalogue(path: Path, seed: int, today: datetime) -> None:
    """Write the catalogue as an SQLite file, at once or not at all (another process may do the same at this moment)."""
    town = _Town(seed, today)
    rows = {"users": _users(town), "videos": _videos(town), "interactions": _interactions(town)}
    rows |= {"connections": _connections(town), "flows": _flows(town)}
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f"{path.name}.tmp-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        _write_sqlite(building, rows, seed, town.today)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _write_sqlite(path: Path, rows: Mapping[str, Rows], seed: int, today: datetime) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.execute("CREATE TABLE catalogue (made_at DATETIME, seed BIGINT)")
        connection.execute("INSERT INTO catalogue VALUES (?, ?)", (str(today), seed))
        for spec in TABLES:
            columns = ", ".join(f"{column.name} {SQL_TYPES.get(column.kind, 'TEXT')}" for column in spec.columns)
            connection.execute(f"CREATE TABLE {spec.name} ({columns})")
            marks = ", ".join("?" * len(spec.columns))
            bad = [tuple(row.get(c.name) for c in spec.columns) for row in garbage(today)[spec.name]]
            connection.executemany(f"INSERT INTO {spec.name} VALUES ({marks})", rows[spec.name] + bad)
        connection.commit()
    finally:
        connection.close()


def _users(town: _Town) -> Rows:
    countries, weights = list(COUNTRIES), np.array([10.0, 5, 4, 3, 3, 2, 2, 1, 2, 1])
    homes = town.random.choice(len(countries), USERS + 1, p=weights / weights.sum())
    ages = town.random.uniform(1, OLDEST_DAYS, USERS + 1)
    rows: Rows = []
    for user in range(1, USERS + 1):
        country = countries[homes[user]]
        cities, languages = COUNTRIES[country]
        own = CLUSTERS[town.cluster_of_user[user]]
        skills = town.some(own.skills, 3, 6)
        if town.random.random() < 0.3:
            skills += town.some(CLUSTERS[town.random.integers(len(CLUSTERS))].skills, 1, 2)
        name = f"{GIVEN[town.random.integers(len(GIVEN))]} {FAMILY[town.random.integers(len(FAMILY))]}"
        lists = (skills, town.some(languages, 1, 2), town.some(own.tools, 1, 3), town.some(own.knowledge, 1, 2))
        wishes = (town.some(HOBBIES, 0, 3), town.some(TALENTS, 1, 2), town.some(OBJECTIVES, 1, 2))
        city = town.some(cities, 1, 1)[0]
        rows.append((user, name, city, country, town.date(ages[user]), *map(town.cell, lists + wishes)))
    return rows


def _videos(town: _Town) -> Rows:
    views = np.floor(town.appeal * 12 * np.minimum(town.days, 400) ** 1.25).astype(int)
    shown = np.floor(views * town.random.uniform(1.5, 6, VIDEOS)).astype(int)
    rows: Rows = []
    for index in range(VIDEOS):
        video, cluster = index + 1, CLUSTERS[town.cluster_of_video[index]]
        skills = _skills_of_video(town, cluster)
        lists = (skills, town.some(cluster.knowledge, 0, 2), town.some(cluster.tools, 0, 2))
        others = (town.some(("Español", "English", "Português"), 1, 1), town.some(OBJECTIVES, 0, 2))
        text = f"{skills[0]}: {('my first take', 'one minute', 'live', 'step by step', 'for you')[video % 5]}"
        url = f"https://videos.example.test/{video:05d}.mp4"
        cells = map(town.cell, lists + others)
        when = town.date(town.days[index])
        creator = int(town.creator_of_video[index])
        rows.append((video, creator, url, int(views[index]), *cells, when, text, int(shown[index])))
    return rows


def _skills_of_video(town: _Town, cluster: Cluster) -> list[str]:
    skills = town.some(cluster.skills, 1, 4)
    if town.random.random() < 0.12:
        skills += town.some(CLUSTERS[town.random.integers(len(CLUSTERS))].skills, 1, 1)
    return skills


def _interactions(town: _Town) -> Rows:
    random = town.random
    activity = random.pareto(1.6, USERS) + 0.2
    viewers = random.choice(np.arange(1, USERS + 1), INTERACTIONS, p=activity / activity.sum())
    weight = town.appeal * np.minimum(town.days, 120) ** 0.5
    videos = random.choice(VIDEOS, INTERACTIONS, p=weight / weight.sum())
    how = random.random(INTERACTIONS)
    for cluster in range(len(CLUSTERS)):
        members = np.flatnonzero(town.cluster_of_video == cluster)
        chosen = np.flatnonzero((how < OWN_CLUSTER) & (town.cluster_of_user[viewers] == cluster))
        if len(members):
            share = weight[members] / weight[members].sum()
            videos[chosen] = random.choice(members, len(chosen), p=share)
    chance = how >= OWN_CLUSTER + POPULAR
    videos[chance] = random.integers(0, VIDEOS, int(chance.sum()))
    days = town.days[videos] * random.beta(1.2, 1.6, INTERACTIONS)
    types = random.choice(len(TYPES), INTERACTIONS, p=TYPE_SHARES)
    match = np.where(town.cluster_of_video[videos] == town.cluster_of_user[viewers], 0.25, -0.35)
    rating = np.clip(np.rint(town.quality[videos] + match + random.normal(0, 0.6, INTERACTIONS)), 1, 5).astype(int)
    rated = (types == TYPES.index("rating")) | (random.random(INTERACTIONS) < 0.25)
    moments = (np.datetime64(town.today, "s") - (days * 86_400).astype("timedelta64[s]")).astype(str)
    return [
        (int(viewer), int(video) + 1, int(stars) if has else None, moment.replace("T", " "), TYPES[kind])
        for viewer, video, stars, has, moment, kind in zip(viewers, videos, rating, rated, moments, types, strict=True)
    ]


def _connections(town: _Town) -> Rows:
    random = town.random
    fame = np.bincount(town.creator_of_video, minlength=USERS + 1)[1:] + 0.5
    left = random.integers(1, USERS + 1, CONNECTIONS)
    right = random.choice(np.arange(1, USERS + 1), CONNECTIONS, p=fame / fame.sum())
    for row in np.flatnonzero(random.random(CONNECTIONS) < 0.6):
        same = np.flatnonzero(town.cluster_of_user == town.cluster_of_user[left[row]])
        right[row] = max(int(random.choice(same)), 1)
    status = random.choice(("accepted", "pending", "rejected"), CONNECTIONS, p=(0.86, 0.11, 0.03))
    days = random.uniform(0, OLDEST_DAYS, CONNECTIONS)
    pairs = zip(left, right, status, days, strict=True)
    return [(int(a), int(b), str(state), town.date(age)) for a, b, state, age in pairs if a != b]


def _flows(town: _Town) -> Rows:
    rows: Rows = []
    creators = town.random.choice(np.arange(1, USERS + 1), FLOWS, replace=False)
    for index in range(FLOWS):
        cluster = CLUSTERS[index % len(CLUSTERS)]
        skill = cluster.skills[(index // len(CLUSTERS)) % len(cluster.skills)]
        url = f"https://videos.example.test/flows/{index + 1:03d}.mp4"
        text = f"Show us your {skill.lower()} in thirty seconds."
        age = town.random.exponential(60)
        rows.append((index + 1, int(creators[index]), url, f"{skill} challenge", text, town.date(min(age, 400))))
    return rows
