-- Tables are appended to and have neither keys nor indexes: ingesting sees to it that nothing
-- comes twice. `journals` alone is updated in place. Times are UTC. docs/schema.md describes
-- every column.

CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    applied TIMESTAMP NOT NULL
);

CREATE TABLE journals (
    file VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    bytes_read BIGINT NOT NULL,
    lines_read BIGINT NOT NULL,
    tasks_trained BIGINT NOT NULL,
    damaged VARCHAR
);

CREATE TABLE attempts (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    position BIGINT NOT NULL,
    started TIMESTAMP NOT NULL,
    algorithm VARCHAR NOT NULL,
    train_dataset VARCHAR NOT NULL,
    eval_datasets VARCHAR[] NOT NULL,
    kind VARCHAR NOT NULL,
    ways BIGINT,
    shots BIGINT NOT NULL,
    queries BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    protocol VARCHAR NOT NULL,
    protocol_settings JSON NOT NULL,
    budget VARCHAR NOT NULL,
    train_tasks BIGINT NOT NULL,
    validation_tasks BIGINT NOT NULL,
    validate_every BIGINT NOT NULL,
    test_tasks BIGINT NOT NULL,
    precision VARCHAR NOT NULL,
    spec_hash VARCHAR NOT NULL,
    settings_hash VARCHAR NOT NULL,
    spec JSON NOT NULL,
    incomplete VARCHAR,
    command VARCHAR NOT NULL,
    git_commit VARCHAR,
    git_dirty BOOLEAN
);

CREATE TABLE statuses (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    ended TIMESTAMP NOT NULL,
    error VARCHAR,
    tasks_trained BIGINT,
    inferred BOOLEAN NOT NULL
);

CREATE TABLE episodes (
    run_id VARCHAR NOT NULL,
    phase VARCHAR NOT NULL,
    train_dataset VARCHAR NOT NULL,
    eval_dataset VARCHAR NOT NULL,
    episode BIGINT NOT NULL,
    step BIGINT NOT NULL,
    loss DOUBLE NOT NULL,
    score DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL,
    episode_key UBIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    position BIGINT NOT NULL
);

CREATE TABLE validations (
    run_id VARCHAR NOT NULL,
    step BIGINT NOT NULL,
    tasks BIGINT NOT NULL,
    loss DOUBLE NOT NULL,
    score DOUBLE NOT NULL,
    best BOOLEAN NOT NULL,
    attempt INTEGER NOT NULL,
    position BIGINT NOT NULL
);

CREATE TABLE phases (
    run_id VARCHAR NOT NULL,
    phase VARCHAR NOT NULL,
    eval_dataset VARCHAR NOT NULL,
    seconds DOUBLE NOT NULL,
    attempt INTEGER NOT NULL,
    position BIGINT NOT NULL
);

CREATE TABLE hyperparameters (
    run_id VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);

CREATE TABLE data (
    run_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    incomplete VARCHAR
);

CREATE TABLE machines (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    host VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    cpu VARCHAR,
    cores BIGINT,
    memory_bytes BIGINT,
    gpu VARCHAR,
    device VARCHAR NOT NULL,
    threads BIGINT,
    engine VARCHAR,
    allocator VARCHAR,
    python VARCHAR NOT NULL,
    pid BIGINT NOT NULL
);

CREATE TABLE packages (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    version VARCHAR NOT NULL
);

CREATE TABLE plugin_files (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL
);
