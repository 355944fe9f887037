-- What people ask most. docs/schema.md describes every column.

CREATE OR REPLACE VIEW runs AS
SELECT
    a.run_id, a.algorithm, a.train_dataset, a.eval_datasets, a.kind,
    a.ways, a.shots, a.queries, a.seed,
    a.protocol, a.protocol_settings, a.budget,
    a.train_tasks, a.validation_tasks, a.validate_every, a.test_tasks, a.precision,
    coalesce(s.status, 'running') AS status, s.error,
    span.started, s.ended AS finished, a.attempt AS attempts,
    -- A run that could not even go on says 0; what it had trained before is in its journal.
    coalesce(greatest(s.tasks_trained, j.tasks_trained), 0) AS tasks_trained,
    a.incomplete, a.spec_hash, a.settings_hash, a.spec,
    a.command, a.git_commit, a.git_dirty, m.device, m.threads, m.engine, w.stacked, m.compiled
FROM attempts AS a
JOIN (
    SELECT run_id, max(attempt) AS attempt, min(started) AS started FROM attempts GROUP BY run_id
) AS span USING (run_id, attempt)
JOIN machines AS m USING (run_id, attempt)
JOIN (
    -- One width, or none where attempts differ in it. What an attempt did is void, and its width of
    -- no account, if a later one began where it did or before.
    SELECT run_id, CASE WHEN min(stacked) = max(stacked) THEN min(stacked) END AS stacked
    FROM (
        SELECT run_id, attempt FROM attempts
        WINDOW later AS (
            PARTITION BY run_id ORDER BY attempt ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        )
        QUALIFY position < coalesce(min(position) OVER later, position + 1)
    )
    JOIN machines USING (run_id, attempt)
    GROUP BY run_id
) AS w USING (run_id)
LEFT JOIN (
    -- What a run said of its end comes before what was inferred from its silence. Rows are in the
    -- order of the journal, whatever the clock said: its last word counts.
    SELECT DISTINCT ON (run_id, attempt) * FROM statuses
    ORDER BY run_id, attempt, inferred, rowid DESC
) AS s USING (run_id, attempt)
LEFT JOIN journals AS j USING (run_id, attempt);

CREATE OR REPLACE VIEW results AS
SELECT
    r.run_id, r.algorithm, r.train_dataset, eval.dataset AS eval_dataset, r.kind,
    r.ways, r.shots, r.queries, r.seed, r.protocol,
    -- What was recorded before the protocol had a say in it is summarised as the corrected is.
    coalesce(r.protocol_settings ->> 'statistic', 'median') AS statistic,
    r.budget, r.train_tasks, r.validation_tasks, r.validate_every, r.test_tasks, r.precision,
    r.status,
    scores.score, scores.score_sd, scores.score_median, scores.loss,
    coalesce(scores.episodes, 0) AS episodes, coalesce(scores.nan_episodes, 0) AS nan_episodes,
    nullif(concat_ws(
        '; ',
        r.train_dataset || ': ' || train.incomplete,
        CASE WHEN eval.dataset <> r.train_dataset
             THEN eval.dataset || ': ' || eval.incomplete END
    ), '') AS incomplete,
    train.fingerprint AS train_fingerprint, eval.fingerprint AS eval_fingerprint,
    r.spec_hash, r.settings_hash, r.started, r.finished, r.stacked
FROM runs AS r
JOIN data AS eval ON eval.run_id = r.run_id AND eval.role = 'eval'
LEFT JOIN data AS train ON train.run_id = r.run_id AND train.role = 'train'
LEFT JOIN test_scores AS scores
    ON scores.run_id = r.run_id AND scores.eval_dataset = eval.dataset
-- A run that diverged before any validation was finite has nothing to test, and says so here.
WHERE r.status = 'diverged' OR (r.status = 'finished' AND scores.episodes > 0);

CREATE OR REPLACE VIEW learning_curves AS
WITH points AS (
    SELECT run_id, 'validation' AS phase, step, tasks, loss, score, best FROM validations
    UNION ALL
    -- Training as some 200 points a run: means over windows of equally many tasks.
    SELECT
        run_id, 'train' AS phase, max(step) AS step, max(episode) + 1 AS tasks,
        avg(loss) AS loss, avg(score) AS score, NULL AS best
    FROM episodes
    JOIN (SELECT run_id, greatest(1, train_tasks // 200) AS width FROM runs) USING (run_id)
    WHERE phase = 'train'
    GROUP BY run_id, episode // width
)
SELECT
    r.run_id, r.algorithm, r.train_dataset, r.kind, r.ways, r.shots, r.seed,
    r.protocol, r.budget, r.status,
    p.phase, p.step, p.tasks, p.loss, p.score, p.best
FROM points AS p
JOIN runs AS r USING (run_id);

CREATE OR REPLACE VIEW running_times AS
WITH latest AS (
    SELECT run_id, phase, eval_dataset, arg_max(seconds, position) AS seconds
    FROM phases
    GROUP BY run_id, phase, eval_dataset
), totals AS (
    SELECT
        run_id,
        sum(seconds) FILTER (WHERE phase = 'train') AS train_seconds,
        sum(seconds) FILTER (WHERE phase = 'validation') AS validation_seconds,
        sum(seconds) FILTER (WHERE phase = 'test') AS test_seconds,
        sum(seconds) AS seconds
    FROM latest
    GROUP BY run_id
)
SELECT
    r.run_id, r.algorithm, r.train_dataset, r.kind, r.ways, r.shots, r.seed,
    r.protocol, r.budget, r.train_tasks, r.status,
    t.train_seconds, t.validation_seconds, t.test_seconds, t.seconds,
    m.host, m.cpu, m.gpu, r.device, r.threads, r.engine, r.stacked, r.compiled,
    m.tf32, m.deterministic,
    results.score
FROM runs AS r
JOIN totals AS t USING (run_id)
JOIN machines AS m ON m.run_id = r.run_id AND m.attempt = r.attempts
LEFT JOIN results ON results.run_id = r.run_id AND results.eval_dataset = r.train_dataset
WHERE r.status IN ('finished', 'diverged');
