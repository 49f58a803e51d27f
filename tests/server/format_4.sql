-- The tables of format 4, without their comments: what a store of that time migrates from.

CREATE TABLE users (
    name      TEXT PRIMARY KEY,
    entity    TEXT NOT NULL UNIQUE,
    key_hash  TEXT UNIQUE,
    is_admin  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE activity (
    user TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    step TEXT NOT NULL,
    at   REAL NOT NULL,
    PRIMARY KEY (user, step)
) WITHOUT ROWID;

CREATE TABLE projects (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    entity      TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    created_at  REAL NOT NULL,
    UNIQUE (entity, name)
);

CREATE TABLE sweeps (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id   INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    name         TEXT NOT NULL UNIQUE,
    config       TEXT NOT NULL,
    state        TEXT NOT NULL,
    display_name TEXT,
    description  TEXT,
    controller   TEXT,
    scheduler    TEXT,
    created_at   REAL NOT NULL,
    updated_at   REAL NOT NULL
);
CREATE INDEX sweeps_of_project ON sweeps (project_id);

CREATE TABLE agents (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id     INTEGER NOT NULL REFERENCES sweeps ON DELETE CASCADE,
    name         TEXT NOT NULL UNIQUE,
    user         TEXT NOT NULL,
    host         TEXT NOT NULL,
    created_at   REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    run_state    TEXT,
    commands     TEXT
);
CREATE INDEX agents_of_sweep ON agents (sweep_id);

CREATE TABLE runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id     INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    name           TEXT NOT NULL,
    sweep_id       INTEGER REFERENCES sweeps ON DELETE SET NULL,
    agent_id       INTEGER REFERENCES agents ON DELETE SET NULL,
    user           TEXT NOT NULL,
    display_name   TEXT NOT NULL,
    state          TEXT NOT NULL,
    created_at     REAL NOT NULL,
    heartbeat_at   REAL NOT NULL,
    exit_code      INTEGER,
    stop_ordered   INTEGER NOT NULL DEFAULT 0,
    preempting     INTEGER NOT NULL DEFAULT 0,
    is_hidden      INTEGER NOT NULL DEFAULT 0,
    suggestion     TEXT,
    config         TEXT NOT NULL DEFAULT '{}',
    summary        TEXT NOT NULL DEFAULT '{}',
    system_metrics TEXT NOT NULL DEFAULT '{}',
    tags           TEXT NOT NULL DEFAULT '[]',
    notes          TEXT,
    description    TEXT,
    run_group      TEXT,
    job_type       TEXT,
    host           TEXT,
    program        TEXT,
    git_commit     TEXT,
    git_repo       TEXT,
    history_lines  INTEGER NOT NULL DEFAULT 0,
    events_lines   INTEGER NOT NULL DEFAULT 0,
    log_lines      INTEGER NOT NULL DEFAULT 0,
    last_step      INTEGER NOT NULL DEFAULT -1,
    history_keys   TEXT NOT NULL DEFAULT '{}',
    extremes       TEXT NOT NULL DEFAULT '{}',
    UNIQUE (project_id, name)
);
CREATE INDEX runs_of_project ON runs (project_id, is_hidden, created_at);
CREATE INDEX runs_of_sweep ON runs (sweep_id, state);
CREATE INDEX runs_of_agent ON runs (agent_id);
CREATE INDEX live_runs ON runs (state) WHERE state IN ('pending', 'running', 'preempting');

CREATE TABLE history (
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    line   INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    row    TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
CREATE INDEX history_by_step ON history (run_id, step);

CREATE TABLE events (
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    line   INTEGER NOT NULL,
    row    TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

CREATE TABLE console (
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    line   INTEGER NOT NULL,
    row    TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

CREATE TABLE files (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id     INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    name       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    md5        TEXT NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (run_id, name)
);

CREATE TABLE collections (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id   INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    type         TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    tags         TEXT NOT NULL DEFAULT '[]',
    next_version INTEGER NOT NULL DEFAULT 0,
    created_at   REAL NOT NULL,
    updated_at   REAL NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE artifacts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id  INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    run_id         INTEGER REFERENCES runs ON DELETE SET NULL,
    user           TEXT NOT NULL,
    version        INTEGER,
    client_id      TEXT,
    distributed_id TEXT,
    digest         TEXT NOT NULL,
    aliases        TEXT NOT NULL DEFAULT '[]',
    description    TEXT,
    metadata       TEXT,
    tags           TEXT NOT NULL DEFAULT '[]',
    ttl_seconds    INTEGER,
    history_step   INTEGER,
    manifest       TEXT,
    size           INTEGER NOT NULL DEFAULT 0,
    file_count     INTEGER NOT NULL DEFAULT 0,
    created_at     REAL NOT NULL,
    updated_at     REAL NOT NULL,
    UNIQUE (collection_id, version)
);
CREATE INDEX artifacts_by_client_id ON artifacts (client_id);
CREATE INDEX artifacts_of_run ON artifacts (run_id);

CREATE TABLE aliases (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    artifact_id   INTEGER NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    name          TEXT NOT NULL,
    UNIQUE (collection_id, name)
);
CREATE INDEX aliases_of_artifact ON aliases (artifact_id);

CREATE TABLE manifests (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    run_name    TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    base_id     INTEGER,
    md5         TEXT,
    UNIQUE (artifact_id, run_name, name)
);

CREATE TABLE lineage (
    run_id      INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    direction   TEXT NOT NULL,
    PRIMARY KEY (run_id, direction, artifact_id)
) WITHOUT ROWID;
CREATE INDEX lineage_of_artifact ON lineage (artifact_id);

CREATE TABLE blobs (
    md5  TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE blob_uses (
    artifact_id INTEGER NOT NULL REFERENCES artifacts ON DELETE CASCADE,
    md5         TEXT NOT NULL,
    PRIMARY KEY (artifact_id, md5)
) WITHOUT ROWID;
CREATE INDEX uses_of_blob ON blob_uses (md5);

CREATE TABLE alerts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id     INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    title      TEXT NOT NULL,
    text       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE INDEX alerts_of_run ON alerts (run_id);
