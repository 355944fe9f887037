-- Settings of the protocol stand beside the others in `hyperparameters`, for runs taken in before
-- too. The views are made anew after this: `results` and `running_times` have diverged runs.

INSERT INTO hyperparameters BY NAME
SELECT run_id, 'protocol' AS part, setting.key AS name, CAST(setting.value AS VARCHAR) AS value
FROM (SELECT DISTINCT ON (run_id) run_id, protocol_settings FROM attempts ORDER BY run_id, attempt)
CROSS JOIN LATERAL json_each(protocol_settings) AS setting;
