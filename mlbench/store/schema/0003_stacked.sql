-- How many runs one program computed, and whether it was compiled: until here it was one run, and it
-- was not. How a GPU rounded was not recorded. Test episodes are summed up when they are taken in,
-- so that to read results does not take longer the more episodes there are.

-- Made anew: DuckDB does not commit several ALTERs of one table together.
CREATE TEMP TABLE machines_before AS FROM machines;
DROP TABLE machines;
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
    pid BIGINT NOT NULL,
    stacked BIGINT NOT NULL DEFAULT 1,
    compiled BOOLEAN NOT NULL DEFAULT false,
    tf32 BOOLEAN,
    deterministic BOOLEAN
);
INSERT INTO machines BY NAME FROM machines_before;
DROP TABLE machines_before;

CREATE TABLE test_scores (
    run_id VARCHAR NOT NULL,
    eval_dataset VARCHAR NOT NULL,
    score DOUBLE NOT NULL,
    score_sd DOUBLE,
    score_median DOUBLE NOT NULL,
    loss DOUBLE NOT NULL,
    episodes BIGINT NOT NULL,
    nan_episodes BIGINT NOT NULL
);

INSERT INTO test_scores
SELECT
    run_id, eval_dataset,
    avg(score),
    CASE WHEN bool_and(abs(score) < 1e150)
         THEN stddev_samp(score) FILTER (WHERE abs(score) < 1e150) END,
    CASE WHEN bool_or(isnan(score)) THEN 'NaN'::DOUBLE ELSE median(score) END,
    avg(loss),
    count(*),
    count(*) FILTER (WHERE NOT (isfinite(loss) AND isfinite(score)))
FROM episodes
WHERE phase = 'test'
GROUP BY run_id, eval_dataset;
